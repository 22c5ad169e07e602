"""The console's pages, by their addresses: a question of a browser becomes an answer in HTML or in JSON."""

import asyncio
import hashlib
import json
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlsplit

import boto3
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.concurrency import iterate_in_threadpool
from starlette.responses import Response, StreamingResponse

from ..errors import AwsError
from ..neighbours import is_stranger
from ..signatures import holds
from . import alerts, bill, buckets, dashboard, logs, mail, notebooks, plots, resources, roles, words
from .asked import Asked
from .menu import BESIDE, LABELS, MENU
from .sessions import PREFIX, Forbidden, refuse_lured
from .view import Note, Page, plain

HERE = Path(__file__).parent
STATIC = {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}
LONGEST_FORM = 64 * 1024  # bytes
LONGEST_WAIT = 25  # seconds that a page is held until it has changed
PAUSE = 0.4  # seconds between two looks at a page that changes without end
PIECE = 256 * 1024  # bytes of a download
ROOMS = (dashboard, resources, notebooks, buckets, logs, plots, roles, bill, alerts, mail)
ROUTES = {path: page for room in ROOMS for path, page in room.ROUTES.items()}
ACTIONS = notebooks.ACTIONS
SAFE = {  # of every answer
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # without any, browsers would say "Origin: null" when a form is sent
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


async def serve(request, account):
    """Answer a browser."""
    try:
        response = await _answer(request, account)
    except Forbidden as error:
        response = message("Not allowed", error.message, error.status)
    response.headers.update(SAFE)
    return response


async def _answer(request, account):
    refuse_lured(request)
    if is_stranger(request.client, account.port):
        raise Forbidden("This account is another user's")
    if request.method not in ("GET", "HEAD", "POST"):
        return message("Not allowed", f"Nothing here answers to {request.method}.", 405)
    path = request.scope["path"].removeprefix(PREFIX).strip("/")
    if path.removeprefix("static/") in STATIC:
        return static(path.removeprefix("static/"))
    if path == "enter":
        return enter(request, account)
    session = session_of(request, account)
    if session is None:
        return message("This page is closed", "", 403, closed=True)
    region, _, path = path.partition("/")
    if region == "go":  # the choice of a Region
        region, path = (request.query_params.get(name, "") for name in ("region", "path"))
        return moved(f"{PREFIX}/{quote(region, safe='')}/{quote(path)}")
    if not region:
        return moved(f"{PREFIX}/{account.region}/dashboard")
    if region not in regions():
        return message("There is no such page", f"{region!r} is not a Region that has SageMaker.", 404)
    if request.method == "POST":
        return await act(request, account, region, path, session)
    return await show(request, account, region, path, session)


def session_of(request, account):
    """Return the session that a request bears, as long as the keys that it was asked for with are good."""
    session = account.console.session_of(request)
    return session if session and holds(account, session.caller.access_key) else None


def enter(request, account):
    """Let a browser in that bears a good ticket, and lead it to the page that it wants."""
    session = account.console.enter(request.query_params.get("ticket", ""))
    to = request.query_params.get("to", "")
    if not is_own(to):
        to = PREFIX
    if session is None:
        if session_of(request, account):
            return moved(to)
        return message("This link has been used", "", 403, closed=True)
    # Not a redirect: a browser that came from elsewhere would follow it without the cookie that it has just been given.
    response = message("The console opens", "", 200, to=to)
    account.console.set_cookie(response, session)
    return response


async def show(request, account, region, path, session):
    """Answer with a page: now, or as soon as it differs from the one that the browser has."""
    query = dict(request.query_params)
    asked = Asked(account, session.caller, region, path.removesuffix(".json"), query=query, request=request)
    if path == "s3/download":
        return await download(asked)
    accepts = request.headers.get("accept", "")
    as_json = path.endswith(".json") or ("application/json" in accepts and "text/html" not in accepts)
    write = to_json if as_json else to_html
    known = request.headers.get("if-none-match")
    waits = request.headers.get("prefer") == "wait" and known is not None
    until = time.monotonic() + LONGEST_WAIT
    while True:
        since = account.changes.count
        status, body, mark = await asyncio.to_thread(rendered, asked, write, session.token)
        is_over = not waits or time.monotonic() > until or account.changes.ended
        if mark != known or is_over or await request.is_disconnected():
            break
        await asyncio.sleep(PAUSE)
        await account.changes.wait(since, max(0.1, until - time.monotonic()))
    if mark == known:
        return Response(status_code=304, headers={"etag": mark})
    kind = "application/json" if as_json else "text/html"
    return Response(body, status, {"etag": mark}, kind)


async def act(request, account, region, path, session):
    """Do what a form of the console asks for, and lead to the page that shows it."""
    if request.headers.get("content-type", "").split(";")[0] != "application/x-www-form-urlencoded":
        raise Forbidden("Only forms of the console are read here")
    form = dict(parse_qsl((await _body(request)).decode(errors="replace"), keep_blank_values=True))
    if not session.is_own(form.pop("token", "")):
        raise Forbidden("The form is not one that this browser was given; load the page again")
    action = ACTIONS.get(path)
    if action is None:
        return message("Not allowed", "The console reports; this page has nothing to do.", 405)
    query = dict(request.query_params)
    asked = Asked(account, session.caller, region, path, query=query, form=form, request=request)
    try:
        done = await asyncio.to_thread(action, asked)
    except AwsError as error:
        done = failure(error)
    if isinstance(done, Page):
        return Response(to_html(asked, done, session.token, still=True), done.status, media_type="text/html")
    if done.startswith(("http:", "https:")):
        return message("The notebook opens", "", 200, to=done)
    return moved(done)


async def _body(request):
    body = b""
    async for piece in request.stream():
        body += piece
        if len(body) > LONGEST_FORM:
            raise Forbidden("The form is too long")
    return body


async def download(asked):
    """Answer with an object as a file to be saved."""
    try:
        file, headers = await asyncio.to_thread(buckets.download, asked)
    except AwsError as error:
        if is_denial(error):
            return message("Not allowed", error.message, 403)
        return message("There is no such object", error.message, 404)

    def pieces():
        with file:
            while piece := file.read(PIECE):
                yield piece

    return StreamingResponse(iterate_in_threadpool(pieces()), headers=headers)


def rendered(asked, write, token):
    """Return the status of a page, the page as it is written, and the mark of this state of it."""
    try:
        page = found(asked)
    except AwsError as error:
        page = failure(error)
    body = write(asked, page, token)
    return page.status, body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def found(asked):
    """Return the page of an address."""
    if asked.path in ROUTES:
        return ROUTES[asked.path](asked)
    above, _, name = asked.path.partition("/")
    if name and f"{above}/*" in ROUTES:
        return ROUTES[f"{above}/*"](replace(asked, name=name))
    return Page("There is no such page", [Note("The menu leads to all pages.")], status=404)


def failure(error):
    """Return the page for an error of AWS's."""
    missing = not is_denial(error) and any(
        word in error.code + error.message for word in ("NoSuch", "NotFound", "not find", "not found", "exist")
    )
    return Page(
        "Not found" if missing else "Not done", [Note(error.message, urgent=True)], status=404 if missing else 400
    )


def is_denial(error):
    """Tell whether an error says that whoever looks may not."""
    return error.code.startswith("AccessDenied")


def to_json(asked, page, token):
    """Write a page as JSON."""
    head = {"Title": page.title, "Region": asked.region}
    return json.dumps(head | {"Parts": plain(page.parts)}, indent=2, default=str).encode() + b"\n"


def to_html(asked, page, token, still=False):
    """Write a page as HTML; one that is `still` is not kept new, since it answers a form."""
    return (
        templates()
        .get_template("page.html")
        .render(
            asked=asked, page=page, token=token, menu=MENU, beside=BESIDE, label=LABELS.get(page.menu),
            regions=regions(), time=asked.account.clock.now(), json=json_address(asked), still=still, prefix=PREFIX,
        )
        .encode()
    )  # fmt: skip


def message(title, text, status, to="", closed=False):
    """Return a page that stands alone: a refusal, or one that leads on."""
    page = templates().get_template("message.html").render(title=title, text=text, to=to, closed=closed, prefix=PREFIX)
    headers = {"Course-Session": "none"} if closed else {}  # for who passes pages on: a new session would help
    return Response(page, status, headers, media_type="text/html")


def moved(to):
    """Lead the browser to another page of the console."""
    return Response(status_code=303, headers={"location": to})


def is_own(address):
    """Tell whether an address is of a page of the console, and not of another site."""
    parts = urlsplit(address)
    plain_path = address.startswith((f"{PREFIX}/", f"{PREFIX}?")) or address == PREFIX
    return plain_path and not parts.netloc and not parts.scheme and "\\" not in address and address.isprintable()


def json_address(asked):
    """Return the address of the same page as JSON."""
    return asked.href(f"{asked.path or 'dashboard'}.json", **asked.query)


@cache
def static(name):
    """Return one of the console's own files."""
    return Response((HERE / "static" / name).read_bytes(), media_type=STATIC[name])


@cache
def regions():
    """Return the Regions that have SageMaker."""
    return tuple(
        sorted(boto3.Session(aws_access_key_id="-", aws_secret_access_key="-").get_available_regions("sagemaker"))
    )


@cache
def templates():
    """Return the templates; every value is escaped wherever it stands."""
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    environment.filters.update(words.FILTERS)
    return environment
