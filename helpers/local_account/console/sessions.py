"""Which browsers may see the console: those that came by a link of the account's owner, and nothing that lures them.

`course console` asks the account, with a signature, for a link. The link bears a ticket that is good for one browser;
that browser gets a cookie, which no page can read and which other sites cannot make the browser send. What the browser
does from then on, it does as whoever signed. Tickets and sessions live as long as the server.
"""

import secrets
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from ..errors import AwsError

PREFIX = "/console"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
MOST = 100  # tickets, and sessions, of one caller; the oldest go first
NAVIGATION = ("document", "")  # what a page of the console may be fetched as when another site names it


class Forbidden(AwsError):
    """The browser may not do this."""

    code, status = "AccessDenied", 403


@dataclass(frozen=True)
class Session:
    """A browser that was let in."""

    caller: object  # signatures.Caller: who signed for the link
    token: str  # of its forms

    def is_own(self, token):
        """Tell whether a form bears the token of this session."""
        return secrets.compare_digest(self.token.encode(), (token or "").encode())


class Sessions:
    """The tickets that were given out, and the browsers that came with one."""

    def __init__(self, port):
        self.cookie = f"course_console_{port}"  # cookies do not know ports, so the name has to
        self.tickets = {}  # ticket -> who signed for it
        self.sessions = {}  # what the cookie says -> Session

    def ticket(self, caller):
        """Return a new ticket, which lets one browser in as the caller."""
        ticket = secrets.token_urlsafe(32)
        self.tickets[ticket] = caller
        _trim(self.tickets, caller, lambda held: held)
        return ticket

    def enter(self, ticket):
        """Take a ticket and return what the cookie of its session says, or None if the ticket is not good."""
        caller = self.tickets.pop(ticket, None)
        if caller is None:
            return None
        name = secrets.token_urlsafe(32)
        self.sessions[name] = Session(caller, secrets.token_urlsafe(32))
        _trim(self.sessions, caller, lambda session: session.caller)
        return name

    def set_cookie(self, response, name):
        """Give a browser its session: for this address only, unreadable to scripts, never sent from other sites."""
        response.headers["set-cookie"] = f"{self.cookie}={name}; Path={PREFIX}; HttpOnly; SameSite=Strict"

    def session_of(self, request):
        """Return the session that a request bears, or None if it bears none."""
        try:
            cookies = SimpleCookie(request.headers.get("cookie", ""))
        except CookieError:
            return None
        morsel = cookies.get(self.cookie)
        return self.sessions.get(morsel.value) if morsel else None


def _trim(held, caller, of):
    """Let the oldest go of what a caller has too many of; nobody drives out another's."""
    own = [name for name, value in held.items() if of(value).access_key == caller.access_key]
    for name in own[:-MOST]:
        del held[name]


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
