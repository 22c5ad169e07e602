"""Asks the account the course's own questions, signed as an AWS request."""

import json
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import ProxyHandler, Request, build_opener

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from .errors import Refused

DIRECT = build_opener(ProxyHandler({}))  # never through a proxy: the account is on this machine


def ask(variables, path, timeout=60, method="GET", content=None, **parameters):
    """Return the account's answer to a question; `variables` is the environment of a client of the account.

    `content` goes along as JSON.
    """
    query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in sorted(parameters.items()))
    url = f"{variables['AWS_ENDPOINT_URL']}{path}" + (f"?{query}" if query else "")
    body = None if content is None else json.dumps(content).encode()
    request = AWSRequest(method=method, url=url, data=body)
    keys = (variables[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"))
    SigV4Auth(Credentials(*keys), "course", variables["AWS_DEFAULT_REGION"]).add_auth(request)
    sent = Request(request.url, data=body, headers=dict(request.headers.items()), method=method)
    try:
        with DIRECT.open(sent, timeout=timeout) as response:
            return json.load(response)
    except HTTPError as refused:
        said = refused.read()
        if said.startswith(b"{"):  # else it is none of the account's own answers to its own questions
            raise Refused(json.loads(said)["message"]) from None
        raise
