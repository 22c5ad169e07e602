"""Which browsers may see the console: those that came by a link of the account's owner, and nothing that lures them.

`course console` asks the account, with a signature, for a link. The link bears a ticket that is good for one browser;
that browser gets a cookie, which no page can read and which other sites cannot make the browser send. Tickets and
sessions live as long as the server.
"""

import secrets
from collections import OrderedDict
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from ..errors import AwsError

PREFIX = "/console"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
MOST = 100  # tickets, and sessions; the oldest go first
NAVIGATION = ("document", "")  # what a page of the console may be fetched as when another site names it


class Forbidden(AwsError):
    """The browser may not do this."""

    code, status = "AccessDenied", 403


class Sessions:
    """The tickets that were given out, and the browsers that came with one."""

    def __init__(self, port):
        self.cookie = f"course_console_{port}"  # cookies do not know ports, so the name has to
        self.tickets: OrderedDict[str, None] = OrderedDict()
        self.tokens: OrderedDict[str, str] = OrderedDict()  # session -> the token of its forms

    def ticket(self):
        """Return a new ticket, which lets one browser in."""
        ticket = secrets.token_urlsafe(32)
        self.tickets[ticket] = None
        while len(self.tickets) > MOST:
            self.tickets.popitem(last=False)
        return ticket

    def enter(self, ticket):
        """Take a ticket and return a new session, or None if the ticket is not good."""
        if ticket not in self.tickets:
            return None
        del self.tickets[ticket]
        session = secrets.token_urlsafe(32)
        self.tokens[session] = secrets.token_urlsafe(32)
        while len(self.tokens) > MOST:
            self.tokens.popitem(last=False)
        return session

    def set_cookie(self, response, session):
        """Give a browser its session: for this address only, unreadable to scripts, never sent from other sites."""
        response.headers["set-cookie"] = f"{self.cookie}={session}; Path={PREFIX}; HttpOnly; SameSite=Strict"

    def token_of(self, request):
        """Return the token for forms of the session that a request bears, or None if it bears none."""
        try:
            cookies = SimpleCookie(request.headers.get("cookie", ""))
        except CookieError:
            return None
        morsel = cookies.get(self.cookie)
        return self.tokens.get(morsel.value) if morsel else None

    def is_form_of(self, token, given):
        """Tell whether a form bears the token of its session."""
        return secrets.compare_digest(token.encode(), (given or "").encode())


def refuse_lured(request):
    """Raise Forbidden unless a request comes from a page of the console itself, or from the learner's own hand.

    A page elsewhere could send the browser here: by a form, by `fetch`, in a frame, or under a name of its own that it
    has let point to 127.0.0.1. Browsers tell by `Host`, `Origin` and `Sec-Fetch-…` where a request comes from, and no
    page can change what they tell.
    """
    host = request.headers.get("host", "")
    try:
        parts = urlsplit(f"//{host}")
        is_here = parts.hostname in LOOPBACK and parts.netloc == host and (parts.port or 1) > 0
    except ValueError:
        is_here = False
    if not is_here:
        raise Forbidden(f"The Host header must be of the loopback interface, not {host!r}")
    own, origin = f"http://{host}", request.headers.get("origin")
    site = request.headers.get("sec-fetch-site", "same-origin")
    if origin not in (None, own):
        raise Forbidden(f"Requests of other web pages are refused (Origin: {origin})")
    if request.method == "POST" and (origin != own or site != "same-origin"):
        raise Forbidden("A page of the console must send this; the request bears no Origin, or another one")
    is_opened = (
        request.headers.get("sec-fetch-mode", "navigate") == "navigate"
        and request.headers.get("sec-fetch-dest", "") in NAVIGATION
    )
    if site not in ("same-origin", "none") and not is_opened:
        raise Forbidden(f"Another page may lead here, but not load what is here (Sec-Fetch-Site: {site})")
    if request.headers.get("sec-fetch-dest") in ("iframe", "frame", "embed", "object"):
        raise Forbidden("The console is not shown inside other pages")
