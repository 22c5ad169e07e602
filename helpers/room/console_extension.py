"""The account's console inside a learner's JupyterLab: https://HOST:PORT/console is the console as the learner has it.

The account listens to this computer alone, and a browser elsewhere reaches JupyterLab only. So JupyterLab passes on
what is asked for below /console, and nothing else, for whoever is signed in to it.

The console defends itself against other web pages, and goes on doing so: whence a request comes is passed on as the
browser says it, only that JupyterLab's own name becomes the account's.
"""

import asyncio
from contextlib import suppress

from jupyter_server.base.handlers import JupyterHandler
from tornado import web
from tornado.iostream import StreamClosedError

PASSED = (  # of a request's headers; no cookie, no token, nothing that could sign
    "Accept", "Accept-Language", "Content-Type", "If-None-Match", "Prefer", "User-Agent",
    "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Sec-Fetch-User",
)  # fmt: skip
KEPT = (
    "connection",
    "date",
    "keep-alive",
    "server",
    "set-cookie",
    "transfer-encoding",
)  # of an answer's: not passed on
LOOPBACK = ("127.0.0.1", "localhost", "::1")
PIECE = 256 * 1024  # bytes of a download


class Console(JupyterHandler):
    """Passes on what a signed-in browser asks of the console."""

    asking = None  # the question that is on its way

    def check_xsrf_cookie(self):
        """Leave it to the console, whose forms know nothing of Jupyter's cookie.

        In its place are a token of the console's own in each form, and that a form is taken with this JupyterLab's own
        `Origin` only.
        """

    def compute_etag(self):
        """Leave it to the console."""

    @web.authenticated
    async def get(self):
        await self.pass_on()

    @web.authenticated
    async def head(self):
        await self.pass_on()

    @web.authenticated
    async def post(self):
        await self.pass_on()

    async def pass_on(self):
        """Answer as the console does; stop asking it when the browser has left."""
        headers = self.headers()
        await asyncio.to_thread(tools)
        self.asking = asyncio.ensure_future(self.ask(headers))
        with suppress(asyncio.CancelledError, StreamClosedError):
            await self.asking

    def on_connection_close(self):
        """Notice that the browser has left."""
        if self.asking:
            self.asking.cancel()

    def headers(self):
        """Return the headers that are passed on; raise if a request means another server, or is of another page."""
        request, app = self.request, self.serverapp
        names = {app.ip, *app.local_hostnames, *(LOOPBACK if app.ip in ("", *LOOPBACK) else ())}
        if request.host not in {f"{f'[{name}]' if ':' in name else name}:{app.port}" for name in names}:
            raise web.HTTPError(403, f"The Host header must be of this JupyterLab, not {request.host!r}")
        origin = request.headers.get("Origin")
        if origin not in (None, f"{request.protocol}://{request.host}"):
            raise web.HTTPError(403, f"Requests of other web pages are refused (Origin: {origin})")
        return {name: request.headers[name] for name in (*PASSED, "Origin") if name in request.headers}

    async def ask(self, headers):
        """Ask the console what the browser asks, and write the answer."""
        console_way, is_signed_query = tools()
        path, _, query = self.request.uri.partition("?")
        if is_signed_query(query):  # the account would take it for a question to another of its services
            raise web.HTTPError(403, "Pages of the console are not asked for by a signed address.")
        rest = "&".join(part for part in query.split("&") if part.partition("=")[0] != "token")
        target = path + (f"?{rest}" if rest else "")
        if rest != query and self.request.method == "GET":  # JupyterLab's token has let the browser in: out of sight
            return self.redirect(target)
        try:
            response = await console_way.way().ask(self.request.method, target, headers, self.request.body)
        except console_way.NoWay as error:
            raise web.HTTPError(503, str(error)) from None
        async with response:
            await self.answer(response)

    async def answer(self, response):
        """Write what the console has answered."""
        if "Content-Security-Policy" not in response.headers:  # as every answer of the console has
            raise web.HTTPError(502, "What the account answered is no page of the console.")
        self.set_status(response.status)
        self.clear_header("Access-Control-Allow-Origin")
        for name, value in response.headers.items():
            if name.lower() not in KEPT:
                self.set_header(name, value)
        if self.request.method != "HEAD":
            async for piece in response.content.iter_chunked(PIECE):
                self.write(piece)
                await self.flush()
        self.finish()


def tools():
    """Return the way to the console, and what tells that a query is signed: costly to import, and many never look."""
    from ..local_account.signatures import is_signed_query
    from . import console_way

    return console_way, is_signed_query


def _jupyter_server_extension_points():
    return [{"module": __name__}]


def _load_jupyter_server_extension(server):
    """Put the console beside JupyterLab. Its pages name each other from the root, so JupyterLab has to be there."""
    if server.base_url != "/":
        raise ValueError(f"The console needs a JupyterLab whose base_url is '/', not {server.base_url!r}.")
    server.web_app.add_handlers(".*$", [(r"/console(?:/.*)?", Console)])
