"""The account's door: it listens on the loopback interface only and passes requests, once their signature holds, on."""

import asyncio
import errno
import json
import os
import signal
import socket
import sqlite3
import time
import traceback
import uuid
from xml.sax.saxutils import escape

from starlette.requests import Request
from starlette.responses import Response

from . import signatures
from .account import Account
from .calls import Call
from .errors import AwsError, LocalLimit
from .services import (
    autoscaling,
    budgets,
    cloudtrail,
    cloudwatch,
    cost_explorer,
    course,
    iam,
    logs,
    other,
    pricing,
    s3,
    sagemaker,
    scheduler,
    service_quotas,
    sns,
    sns_pages,
    sts,
)

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
SERVICES = {  # by the service that a signature names
    "s3": s3.serve,
    "sts": sts.serve,
    "iam": iam.serve,
    "logs": logs.serve,
    "monitoring": cloudwatch.serve,
    "sns": sns.serve,
    "servicequotas": service_quotas.serve,
    "budgets": budgets.serve,
    "pricing": pricing.serve,
    "ce": cost_explorer.serve,
    "application-autoscaling": autoscaling.serve,
    "cloudtrail": cloudtrail.serve,
    "scheduler": scheduler.serve,
    "course": course.serve,
}


class Door:
    """The ASGI application: refuses who may not come in, and asks the service that is meant."""

    def __init__(self, account):
        self.account, self.heard = account, time.monotonic()

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            return
        self.heard = time.monotonic()
        request = Request(scope, receive)
        try:
            response = await self.answer(request)
        except AwsError as error:
            response = refusal(request, error)
        except Exception as error:
            if is_full(error):
                response = refusal(request, LocalLimit("The computer's disk is full; nothing of this was done."))
            else:
                traceback.print_exc()  # into server.log, where a bug report finds it
                sentence = f"The local account failed; {self.account.folder / 'server.log'} says how."
                response = refusal(request, AwsError(sentence, "InternalFailure", 500))
        await response(scope, receive, send)

    async def answer(self, request):
        """Return the response to a request."""
        if is_of_a_browser(request):
            serve = await asyncio.to_thread(pages_for_browsers)
            return await serve(request, self.account)
        refuse_foreign(request)
        if sns_pages.is_link(request):
            return await sns.follow(request, self.account)
        caller = await signatures.caller_of(request, self.account)
        call = Call(self.account, caller)
        request.scope["course.call"] = call
        if caller.service == "sagemaker" and request.url.path.startswith("/endpoints/"):
            from .services.sagemaker_runtime import serve  # its HTTP client is costly to import
        elif caller.service == "sagemaker":
            serve = sagemaker.serve
        else:
            serve = SERVICES.get(caller.service, other.serve)
        response = await serve(request, self.account, caller)
        if caller.service != "course":
            self.account.calls.answered(call, request, response)
        return response


def pages_for_browsers():
    """Return the function that serves the console; what it needs is costly to import, and many never look."""
    from .console import pages

    pages.templates(), pages.regions()
    return pages.serve


def is_of_a_browser(request):
    """Tell whether a request is for the console: unsigned, and for its path. A bucket may be called console too."""
    path = request.scope["path"]
    return (path == "/console" or path.startswith("/console/")) and not signatures.is_signed(request)


def refuse_foreign(request):
    """Raise unless the request comes from a program on this machine that means this machine.

    A web page in the learner's browser could send requests to the loopback interface too: it would bear an `Origin`,
    or, after rebinding a name of its own to 127.0.0.1, that name as its `Host`.
    """
    host = request.headers.get("host", "")
    name = host.rsplit(":", 1)[0] if not host.endswith("]") else host
    if name not in LOOPBACK:
        raise AwsError(f"The Host header must be of the loopback interface, not {host!r}", "AccessDenied", 403)
    if "origin" in request.headers:
        raise AwsError(f"Requests of web pages are refused (Origin: {request.headers['origin']})", "AccessDenied", 403)


def is_full(error):
    """Tell whether an error says that the disk has no room left."""
    if isinstance(error, OSError):
        return error.errno in (errno.ENOSPC, errno.EDQUOT)
    return isinstance(error, sqlite3.OperationalError) and "full" in str(error)


def refusal(request, error):
    """Write an error that was raised before any service had the request, in the protocol that the request speaks."""
    number = str(uuid.uuid4())
    if "x-amz-target" in request.headers or "json" in request.headers.get("content-type", ""):
        body = json.dumps({"__type": error.code, "message": error.message})
        return Response(body, error.status, {"x-amzn-RequestId": number}, "application/x-amz-json-1.1")
    inner = f"<Code>{error.code}</Code><Message>{escape(error.message)}</Message>"
    query = "form-urlencoded" in request.headers.get("content-type", "")
    body = (
        f"<ErrorResponse><Error><Type>Sender</Type>{inner}</Error><RequestId>{number}</RequestId></ErrorResponse>"
        if query
        else f"<Error>{inner}<RequestId>{number}</RequestId></Error>"
    )
    headers = {"x-amz-request-id": number, "connection": "close"}  # the body of a refused upload is not read
    return Response("" if request.method == "HEAD" else body, error.status, headers, "application/xml")


def serve(folder, port, region, idle, enforce=None):
    """Serve the account of a folder until SIGTERM or SIGINT, or until nobody has called for `idle` seconds.

    Port 0 takes a free one. `enforce` says whether calls are held against IAM's policies; None leaves that as it was.
    `server.json` in the folder tells port and process as soon as requests are answered.
    """
    import uvicorn

    from .bypass import Protocol

    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # asyncio sets TCP_NODELAY by it
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", port))
    account = Account(folder, listening.getsockname()[1], region)
    if enforce is not None:
        account.authorization.enforce(enforce)
    door = Door(account)
    config = uvicorn.Config(
        door, http=Protocol, lifespan="off", access_log=False, log_level="warning", timeout_keep_alive=75,
        timeout_graceful_shutdown=2, server_header=False,
    )  # fmt: skip
    server = uvicorn.Server(config)

    def leave():
        server.should_exit = True
        account.changes.end()

    async def run():
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):  # uvicorn raises the signal anew at its end: that kills nobody
            loop.add_signal_handler(number, leave)
        account.recover()
        watch = asyncio.create_task(_leave_when_idle(server, door, idle))
        announce = asyncio.create_task(_announce(server, account))
        await server.serve(sockets=[listening])
        await account.hosting.invocations.leave()
        for task in (watch, announce):
            task.cancel()

    try:
        asyncio.run(run())
    finally:
        (account.folder / "server.json").unlink(missing_ok=True)
        account.close()


async def _announce(server, account):
    while not server.started:
        await asyncio.sleep(0.005)
    draft = account.folder / "server.json.draft"
    draft.write_text(
        json.dumps(
            {
                "Port": account.port,
                "Pid": os.getpid(),
                "Url": account.url,
                "Region": account.region,
                "EnforcesIam": account.authorization.enforced,
            }
        )
    )
    draft.replace(account.folder / "server.json")


async def _leave_when_idle(server, door, idle):
    while not server.should_exit:
        await asyncio.sleep(min(idle, 5))
        unused = min(time.monotonic() - door.heard, door.account.notebooks.unused())
        if unused > idle and not door.account.is_busy():
            server.should_exit = True
