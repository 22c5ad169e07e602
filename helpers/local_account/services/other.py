"""Services that the course does not exist for: moto answers for them, and what it was told is kept on disk.

moto keeps its state in memory. After every request that changed something, the state of the services concerned is
written into the account's database before the answer goes out, and read back when they are first used after a start.
Only what moto answers truthfully is let through: names, settings, messages, stored values. What would have to run
something, or to reach somebody, is refused: moto would say that it did.
"""

import asyncio
import inspect
import io
import json
import os
import pickle
import threading
from contextlib import nullcontext
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from importlib import import_module
from urllib.parse import parse_qsl

from botocore import xform_name
from botocore.exceptions import UnknownServiceError
from starlette.responses import Response

from ..errors import AwsError, LocalLimit, NotHere
from ..protocols import protocol_of, protocol_of_service, write_error
from . import authorization

READS = ("Describe*", "Get*", "List*", "BatchGet*", "Query", "Scan")
TAGS = ("TagResource", "UntagResource")
OPEN = {  # service, as signatures name it -> the operations that moto answers
    "sqs": ("*",),
    "dynamodb": (
        *("CreateTable", "DeleteTable", "DescribeTable", "ListTables", "UpdateTable", "*Item", "Query", "Scan"),
        *("ListTagsOfResource", *TAGS),
    ),
    "secretsmanager": (
        *("CreateSecret", "DeleteSecret", "DescribeSecret", "ListSecrets", "GetSecretValue", "PutSecretValue"),
        *("RestoreSecret", "UpdateSecret", "ListSecretVersionIds", *TAGS),
    ),
    "ecr": (
        *("CreateRepository", "DeleteRepository", "DescribeRepositories", "ListImages", "DescribeImages"),
        *("*RepositoryPolicy", "ListTagsForResource", *TAGS),
    ),
    "ec2": (
        *("Describe*", "CreateTags", "DeleteTags", "CreateVpc", "DeleteVpc", "CreateSubnet", "DeleteSubnet"),
        *("CreateSecurityGroup", "DeleteSecurityGroup", "AuthorizeSecurityGroup*", "RevokeSecurityGroup*"),
    ),
}


class NoQueue(AwsError):
    """There is no such queue."""

    code = "NotFound"


async def serve(request, account, caller):
    """Answer a request to any service that has no file of its own here."""
    service, body = caller.service, await request.body()
    protocol, name = _protocol(request, service, body), _operation(request, body)
    try:
        if not any(fnmatchcase(name, allowed) for allowed in OPEN.get(service, ())):
            raise NotHere(f"{service}:{name}")
        authorization.check(request, service, name, _parameters(request, body))
        return await asyncio.to_thread(_Moto.of(account).answer, request, body, service, name, caller.region)
    except AwsError as error:
        return write_error(error, service, protocol)


def queue(account, arn):
    """Return the queue of an ARN, with its policy, or raise NoQueue."""
    return _Moto.of(account).queue(arn)


def send_message(account, arn, body, attributes):
    """Put a message into a queue of the account, as SNS does."""
    _Moto.of(account).send(arn, body, attributes)


def module(name):
    """Return a module of moto, which must find the account's number when it is first imported."""
    os.environ["MOTO_ACCOUNT_ID"] = "000000000000"
    return import_module(name)


def has(service, name):
    """Tell whether an operation is let through, and moto has it."""
    if not any(fnmatchcase(name, allowed) for allowed in OPEN.get(service, ())):
        return False
    rooms = vars(import_module(f"moto.{service}.responses")).values()
    methods = [getattr(room, xform_name(name), None) for room in rooms if isinstance(room, type)]
    return any(method and "raise NotImplementedError" not in inspect.getsource(method) for method in methods)


def _protocol(request, service, body):
    if service == "ec2":
        return "ec2"
    if protocol_of(request) != "query" or b"Action=" in body or "Action=" in request.url.query:
        return protocol_of(request)
    try:
        return protocol_of_service(service)  # a REST protocol, whose requests do not tell which
    except UnknownServiceError:
        return "rest-json"


def _operation(request, body):
    if "x-amz-target" in request.headers:
        return request.headers["x-amz-target"].rpartition(".")[2]
    form = dict(parse_qsl(request.url.query)) | dict(parse_qsl(body.decode(errors="replace")))
    return form.get("Action") or f"{request.method} {request.url.path}"


def _parameters(request, body):
    """Return what a request names at its outermost level, for the permissions that it needs."""
    if "x-amz-target" in request.headers:
        try:
            members = json.loads(body or b"{}")
        except (ValueError, RecursionError):
            return {}  # moto will say what is wrong
        return members if isinstance(members, dict) else {}
    return dict(parse_qsl(request.url.query)) | dict(parse_qsl(body.decode(errors="replace")))


class _Moto:
    """moto inside this process, holding the state of one account."""

    @classmethod
    @cache
    def of(cls, account):
        """Return the account's moto."""
        return cls(account)

    def __init__(self, account):
        self.account, self.lock, self.awake = account, threading.Lock(), set()
        self.database = account.records.database
        with account.records.lock:
            self.database.execute(
                "CREATE TABLE IF NOT EXISTS moto (service TEXT, region TEXT, state BLOB, PRIMARY KEY (service, region))"
            )

    def answer(self, request, body, service, name, region):
        """Let moto answer one request, and keep what that changed."""
        with self.lock:
            self._wake(service, region)
        # A queue may be listened to for 20 seconds: what it waits for has to come in meanwhile.
        with nullcontext() if name == "ReceiveMessage" else self.lock:
            status, headers, content = self._ask(request, body, name)
        if status < 400 and not any(fnmatchcase(name, read) for read in READS):
            with self.lock:
                self._keep(service, region)
        return Response(content, status, headers)

    def queue(self, arn):
        """Return moto's queue of an ARN, or raise NoQueue."""
        region, _, name = arn.split(":")[3:6]
        with self.lock:
            self._wake("sqs", region)
            try:
                return _backends("sqs")[self.account.id][region].get_queue(name)
            except module("moto.sqs.exceptions").QueueDoesNotExist:
                raise NoQueue(f"There is no queue {arn}.") from None

    def send(self, arn, body, attributes):
        """Put a message into a queue, and keep it."""
        region, _, name = arn.split(":")[3:6]
        with self.lock:
            _backends("sqs")[self.account.id][region].send_message(name, body, attributes)
            self._keep("sqs", region)

    def _ask(self, request, body, name):
        environ = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": "",
            "PATH_INFO": request.url.path,
            "QUERY_STRING": request.url.query,
            "CONTENT_TYPE": request.headers.get("content-type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": str(self.account.port),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": False,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            **{f"HTTP_{key.upper().replace('-', '_')}": value for key, value in request.headers.items()},
        }
        answered = {}

        def start_response(status, headers, error=None):
            answered["status"] = int(status.split()[0])
            answered["headers"] = {
                key: value for key, value in headers if key.lower() not in ("content-length", "date")
            }

        try:
            content = b"".join(_application()(environ, start_response))
        except NotImplementedError:
            raise NotHere(name) from None
        except Exception as error:  # whatever goes wrong inside moto, the caller gets an answer in AWS's form
            raise LocalLimit(f"moto, which answers {name} here, could not: {error!r}.") from error
        if answered["status"] >= 500 or b"<!doctype html" in content[:100].lower():
            raise NotHere(name)
        return answered["status"], answered["headers"], content

    def _wake(self, service, region):
        """Bring back the state that a service had when it last changed."""
        if (service, region) in self.awake:
            return
        with self.account.records.lock:
            row = self.database.execute(
                "SELECT state FROM moto WHERE service = ? AND region = ?", (service, region)
            ).fetchone()
        backends = _backends(service)[self.account.id]
        if row:
            backends[region] = _Reader(io.BytesIO(row[0])).load()
        else:
            self._keep(service, region)  # what AWS gives everyone, such as the default VPC, has random names too
        self.awake.add((service, region))

    def _keep(self, service, region):
        state = _written(_backends(service)[self.account.id][region])
        with self.account.records.lock:
            self.database.execute("INSERT OR REPLACE INTO moto VALUES (?, ?, ?)", (service, region, state))


@lru_cache(1)
def _application():
    """Return moto's WSGI application. Its import takes a second, so it waits for the first request that needs it."""
    moto = module("moto.moto_server.werkzeug_app")
    return moto.DomainDispatcherApplication(moto.create_backend_app)


def _backends(service):
    _application()
    from moto.backends import get_backend

    return get_backend(service)


def _written(backend):
    file = io.BytesIO()
    _Writer(file, backend).dump(backend)
    return file.getvalue()


class _Writer(pickle.Pickler):
    """Writes the state of one of moto's services; what belongs to another service is only named."""

    def __init__(self, file, backend):
        super().__init__(file, protocol=5)
        self.backend = backend

    def persistent_id(self, thing):
        from moto.core.base_backend import BaseBackend

        if isinstance(thing, BaseBackend) and thing is not self.backend:
            return type(thing).__module__.split(".")[1], thing.account_id, thing.region_name
        return None

    def reducer_override(self, thing):
        return (threading.RLock, ()) if isinstance(thing, type(threading.RLock())) else NotImplemented


class _Reader(pickle.Unpickler):
    def persistent_load(self, name):
        service, account, region = name
        return _backends(service)[account][region]
