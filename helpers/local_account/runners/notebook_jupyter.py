"""JupyterLab as a notebook instance has it: it opens to links that the account gives out, and to nobody else.

python notebook_jupyter.py PLAN
"""

import contextlib
import hashlib
import json
import os
import sys
import time
from pathlib import Path
from weakref import WeakSet

# jsonschema would build a parser of internationalised addresses at its import, for 2 seconds, which nobody here uses.
sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]  # Python's own way to say that it is not there

from jupyter_server.auth import IdentityProvider, User  # noqa: E402
from jupyter_server.auth.decorator import allow_unauthenticated  # noqa: E402
from jupyter_server.base.handlers import JupyterHandler  # noqa: E402
from jupyter_server.serverapp import ServerApp  # noqa: E402
from tornado.ioloop import PeriodicCallback  # noqa: E402
from tornado.websocket import WebSocketHandler  # noqa: E402
from traitlets.config import Config  # noqa: E402

sys.path.append(str(Path(__file__).parents[1]))  # the account's own programs, after all others
from neighbours import is_stranger  # noqa: E402

OWN = Path(sys.argv[1]).parent if len(sys.argv) > 1 else Path()
EXTENSIONS = (
    "jupyterlab", "jupyter_lsp", "notebook", "notebook_shim", "jupyter_server_terminals", "jupyterlab_git", "nbdime",
)  # fmt: skip
LOOK = 10  # seconds between two looks whether a kernel works, and whether a session is over
LEARNER = User("ec2-user", "ec2-user", "ec2-user", "ec", None, None)
PAGE = """<!DOCTYPE html>
<html lang="en"><meta charset="utf-8"><title>Notebook instance</title>
<style>body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 40em; margin: 4em auto; padding: 0 1em }}
@media (prefers-color-scheme: dark) {{ body {{ background: #1b1b1b; color: #ddd }} }}</style>
<h1>{title}</h1><p>{text}</p>
<p>A new link comes from <code>CreatePresignedNotebookInstanceUrl</code>, or from the console's page of notebook
instances. On AWS this would be the console's sign-in page.</p></html>
"""
STALE = "This link has expired", "A presigned URL opens its notebook instance for five minutes, which are over."
FORGED = "This link opens nothing here", "Its authToken was not given out for this notebook instance since its start."
CLOSED = "This notebook instance is closed to this browser", "There is no session, or its time is over."


class Links(IdentityProvider):
    """Lets in whoever comes by a presigned URL, then knows the browser by a cookie until the session is over."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.touched, self.sockets = 0, WeakSet()

    async def get_user(self, handler):
        """Return the learner if the request bears a link, a session or the account's own password, else None."""
        if handler.request.headers.get("Authorization") == f"token {self.token}":
            return LEARNER
        if state(self.session_of(handler)) == "open" or self.enter(handler) is None:
            self.touch()
            if isinstance(handler, WebSocketHandler):
                self.sockets.add(handler)
            return LEARNER
        return None

    def enter(self, handler):
        """Begin a session if the request bears a link that is good; return None, or the page that says why not."""
        token = handler.get_argument("authToken", "")
        if not token:
            return CLOSED
        link = read(hashlib.sha256(token.encode()).hexdigest())
        if link.get("State") != "open":
            return STALE if link else FORGED
        name, kept = self.get_cookie_name(handler), {"httponly": True, "samesite": "Lax", "path": "/"}
        kept["secure"] = is_of_door(handler)
        handler.set_secure_cookie(name, link["Session"], expires_days=link["Seconds"] / 86400, **kept)
        return None

    def session_of(self, handler):
        """Return the session that a request's cookie names, or ""."""
        cookie = handler.get_secure_cookie(self.get_cookie_name(handler))
        return cookie.decode() if cookie else ""

    def close_sockets(self):
        """Close the connections of kernels and terminals to browsers whose session is over."""
        for handler in list(self.sockets):
            if state(self.session_of(handler)) != "open":
                handler.close()

    def touch(self):
        """Note that the instance is used: the account does not leave by itself then."""
        if time.monotonic() - self.touched > LOOK / 2:
            self.touched = time.monotonic()
            os.utime(OWN / "used")

    def get_handlers(self):
        """Return the pages of an instance's own: the way in, and what those see who may not."""
        return [(r"/?", Entrance), (r"/login", Refused), (r"/logout", Refused)]


class Entrance(JupyterHandler):
    """The address that a presigned URL names: it goes on to JupyterLab (`view=lab`) or to the classic view."""

    @allow_unauthenticated
    async def get(self):
        provider = self.identity_provider
        if self.get_argument("authToken", ""):
            refusal = provider.enter(self)
            if refusal:
                return refuse(self, *refusal)
        elif state(provider.session_of(self)) != "open":
            return refuse(self, *CLOSED)
        view = "/lab" if self.get_argument("view", "") == "lab" else "/tree"
        begin = PLAN["Begin"]
        self.redirect(f"{view}/tree/{begin}" if view == "/lab" and begin else f"{view}/{begin}".rstrip("/"))


class Refused(JupyterHandler):
    """What a browser sees that has no session."""

    @allow_unauthenticated
    async def get(self):
        refuse(self, *CLOSED)


def refuse(handler, title, text):
    """Answer with a page that says why the instance does not open."""
    handler.set_status(403)
    handler.set_header("Content-Type", "text/html; charset=UTF-8")
    handler.finish(PAGE.format(title=title, text=text))


def state(name):
    """Return the state of a link or a session: "open", "over", or None if there is none of the name."""
    return read(name).get("State")


def read(name):
    """Return what the account says of a link or a session."""
    try:
        return json.loads((OWN / "links" / name).read_text()) if name.isalnum() else {}
    except (OSError, ValueError):
        return {}


def configuration(plan, secret):
    """Return the settings of JupyterLab."""
    c = Config()
    c.ServerApp.ip, c.ServerApp.port, c.ServerApp.port_retries = "127.0.0.1", plan["Port"], 0
    c.ServerApp.root_dir, c.FileContentsManager.preferred_dir = plan["Volume"], plan["Begin"]
    c.ServerApp.open_browser, c.ServerApp.allow_root, c.ServerApp.default_url = False, True, "/tree"
    c.ServerApp.jpserver_extensions = dict.fromkeys(EXTENSIONS, True)
    c.ServerApp.identity_provider_class = Links
    c.ServerApp.local_hostnames = plan["Hosts"]
    c.ServerApp.cookie_secret = hashlib.sha256(secret.encode()).digest()
    c.ServerApp.terminado_settings = {"shell_command": ["/bin/bash"]}
    c.IdentityProvider.token = secret
    c.FileContentsManager.delete_to_trash = False
    c.MultiKernelManager.default_kernel_name = "conda_python3"
    c.MultiKernelManager.kernel_manager_class = "kernels.Kernel"
    c.KernelSpecManager.ensure_native_kernel = False
    c.LabApp.extension_manager = "readonly"
    return c


def is_of_door(handler):
    """Tell whether a browser came by the door that the account has opened for other computers, which speaks TLS."""
    with contextlib.suppress(OSError):
        return handler.request.host == (OWN / "door").read_text()
    return False


def open_to_door():
    """Take the address and port of the door for a name of this server, beside the names of this computer."""
    check = JupyterHandler.check_host
    JupyterHandler.check_host = lambda handler: is_of_door(handler) or check(handler)


def close_to_strangers(server):
    """Hang up on other users of this computer before a word of theirs is read, whatever link or cookie they have."""
    take = server.http_server.handle_stream

    def handle_stream(stream, address):
        if is_stranger(address, PLAN["Port"]):
            return stream.close()
        return take(stream, address)

    server.http_server.handle_stream = handle_stream


def watch(server):
    """Note use of the instance while one of its kernels works, be it without a browser; end what is over."""

    def look():
        server.identity_provider.close_sockets()
        kernels = [server.kernel_manager.get_kernel(each) for each in server.kernel_manager.list_kernel_ids()]
        if any(getattr(kernel, "execution_state", "") == "busy" for kernel in kernels):
            server.identity_provider.touch()

    PeriodicCallback(look, LOOK * 1000).start()


if __name__ == "__main__":
    PLAN = json.loads(Path(sys.argv[1]).read_text())
    app = ServerApp.instance(config=configuration(PLAN, (OWN / "secret").read_text()))
    app.initialize([])
    close_to_strangers(app)
    open_to_door()
    watch(app)
    app.start()
