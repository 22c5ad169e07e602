"""The pages behind the links of SNS's letters: they confirm a subscription, or end one."""

from html import escape
from urllib.parse import urlencode

from starlette.responses import HTMLResponse

from .. import signatures
from ..errors import AwsError

PATHS = ("/", "/confirmation.html", "/unsubscribe.html")
ACTIONS = ("ConfirmSubscription", "Unsubscribe")


def is_link(request):
    """Tell whether a request is a click on a link of a letter: a plain GET without any signature."""
    query = request.query_params
    if request.method != "GET" or signatures.is_signed(request):
        return False
    if request.url.path == "/" and query.get("Action") not in ACTIONS:
        return False
    needed = {"TopicArn", "Token"} if "Token" in query else {"SubscriptionArn"}
    named = query.get("TopicArn") or query.get("SubscriptionArn") or ""
    return request.url.path in PATHS and needed <= set(query) and named.count(":") >= 5


def confirmed(account, query):
    """Confirm a subscription, and say so."""
    try:
        subscription = account.sns.confirm(query["TopicArn"], query["Token"], signed=False)
    except AwsError:
        return _page(
            "Subscription not confirmed",
            "<p>This link confirms nothing: it is older than two days, or its topic is gone. Subscribe again.</p>",
            400,
        )
    arn = subscription["SubscriptionArn"]
    end = "/unsubscribe.html?" + urlencode({"SubscriptionArn": arn, "Endpoint": subscription["Endpoint"]})
    return _page(
        "Subscription confirmed!",
        f"<p>You have successfully subscribed.</p><p>Your subscription's id is:<br><code>{escape(arn)}</code></p>"
        f'<p>If it was not your intention to subscribe, <a href="{escape(end)}">click here to unsubscribe</a>.</p>',
    )


def unsubscribed(account, query):
    """End a subscription, and say so."""
    try:
        account.sns.unsubscribe(query["SubscriptionArn"], signed=False)
    except AwsError as error:
        return _page("Subscription not removed", f"<p>{escape(error.message)}</p>", error.status)
    arn = escape(query["SubscriptionArn"])
    return _page("Subscription removed!", f"<p>Your subscription's id was:<br><code>{arn}</code></p>")


def _page(title, body, status=200):
    head = f'<meta charset="utf-8"><title>{escape(title)}</title>'
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head>{head}</head><body><h1>{escape(title)}</h1>{body}</body></html>', status
    )
