"""How a program becomes a client of the local account: environment variables, and a redirect inside botocore.

The variables alone are not enough: SDK v3 names `https://sts.<region>.amazonaws.com` itself. The redirect sends every
request of every botocore client to the account, whatever host it names and whatever proxy is set, and is thereby the
guarantee that none leaves the machine: it stands where botocore hands a request to the network, the one place that
clients, waiters and the providers of credentials all pass. This file imports nothing of the course, so that a job's
Python can load it by itself.
"""

import os
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

HOST_HEADER = "X-Course-Host"  # the host that the client meant, for its signature and for buckets named in a host
# Over plain HTTP, botocore signs the hash of all that it uploads, and both sides compute it. Over HTTPS, as to AWS, it
# does not, and leaves the body to a checksum, for what is lost on the way. On one computer nothing is lost, so the
# settings of this file leave out both, unless a program asks for a checksum.
CONFIG = os.path.join(os.path.dirname(os.path.abspath(__file__)), "aws_config")
FORGOTTEN = ("AWS_", "BOTO_", "SAGEMAKER_ROLE")  # variables that could lead a client, or the SDK, to a real account


def environment(url, keys, region, role_arn, defaults=None):
    """Return the variables with which a program uses the account, and none of a real one.

    `keys` holds AccessKeyId, SecretAccessKey and SessionToken; `defaults` is the path of the SDK's defaults file.
    """
    variables = {
        "AWS_ENDPOINT_URL": url,
        "AWS_DEFAULT_REGION": region,
        "AWS_REGION": region,
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
        "AWS_CONFIG_FILE": CONFIG,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "SAGEMAKER_ROLE_ARN": role_arn,
        "NO_PROXY": _with_loopback(os.environ.get("NO_PROXY", "")),
        "no_proxy": _with_loopback(os.environ.get("no_proxy", "")),
        "DO_NOT_TRACK": "true",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    if defaults:
        variables["SAGEMAKER_USER_CONFIG_OVERRIDE"] = str(defaults)
    return variables


def forgotten(variables):
    """Return the names among `variables` that must be gone, since they could lead to a real account."""
    return sorted(name for name in variables if name.startswith(FORGOTTEN))


def adopt(variables, into=os.environ):
    """Make the environment that of a client of the account: forget what leads elsewhere, then set `variables`."""
    for name in forgotten(into):
        del into[name]
    into.update(variables)


def redirect(url, absent=None):
    """Send every request of every botocore client, made before or after, to the account at `url`.

    `absent(url)` returns the exception to raise when nobody listens there; else botocore raises its own, after retries.
    """
    from botocore.exceptions import EndpointConnectionError
    from botocore.httpsession import URLLib3Session

    release()
    send, direct = URLLib3Session.send, WeakKeyDictionary()

    def redirected(self, request):
        parts = urlsplit(request.url)
        if f"{parts.scheme}://{parts.netloc}" != url:
            request.headers[HOST_HEADER] = parts.netloc
            request.url = url + request.url.split(parts.netloc, 1)[1]
        if self not in direct:  # a session like this one, that knows no proxy
            direct[self] = URLLib3Session(
                timeout=(self._timeout.connect_timeout, self._timeout.read_timeout),
                max_pool_connections=self._max_pool_connections,
                socket_options=self._socket_options,  # TCP_NODELAY among them, without which a request waits for 40 ms
            )
        try:
            return send(direct[self], request)
        except EndpointConnectionError:
            if absent is None:
                raise
            raise absent(url) from None

    redirected.original = send
    URLLib3Session.send = redirected


def release():
    """Undo `redirect`."""
    from botocore.httpsession import URLLib3Session

    URLLib3Session.send = getattr(URLLib3Session.send, "original", URLLib3Session.send)


def _with_loopback(hosts):
    wanted = [host for host in hosts.split(",") if host]
    return ",".join([*wanted, *(host for host in ("127.0.0.1", "localhost") if host not in wanted)])
