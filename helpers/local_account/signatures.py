"""Who signed a request: the account answers only to signatures made with its own keys.

AWS signs with Signature Version 4, in a header or, for presigned URLs, in the query; presigned S3 URLs may still carry
the older version 2. botocore computes what the signature should be; this file compares.
"""

import hashlib
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

from botocore.auth import HmacV1QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest, HTTPHeaders
from botocore.credentials import Credentials

from .connection import HOST_HEADER
from .errors import AwsError

SKEW = timedelta(minutes=15)  # how far the signer's clock may be off
LONGEST = timedelta(days=7)  # how long a presigned URL may live
LARGEST = 16 * 1024 * 1024  # bytes of a request other than S3's
UNREAD = ("UNSIGNED-PAYLOAD", "STREAMING-")  # payloads whose hash is not part of the signature


@dataclass(frozen=True)
class Caller:
    """Who calls, and which service of which region is meant, as the signature says."""

    access_key: str
    region: str
    service: str  # the service in the credential scope: "s3", "sagemaker", "monitoring", …
    arn: str


class BadSignature(AwsError):
    """The request is not signed, or not by a key of this account."""

    status = 403


def host_of(request):
    """Return the host that the client meant, before it was redirected to the loopback interface."""
    return request.headers.get(HOST_HEADER) or request.headers.get("host", "")


def is_signed(request):
    """Tell whether a request claims to be signed, be it rightly or not."""
    return is_signed_query(request.url.query) or request.headers.get("authorization", "").startswith("AWS4-")


def is_signed_query(text):
    """Tell whether a query claims to be signed."""
    query = dict(parse_qsl(text, keep_blank_values=True))
    return "X-Amz-Signature" in query or ("AWSAccessKeyId" in query and "Signature" in query)


async def caller_of(request, account):
    """Return the Caller whose signature the request bears, or raise BadSignature."""
    query = dict(parse_qsl(request.url.query, keep_blank_values=True))
    authorization = request.headers.get("authorization", "")
    if authorization.startswith("AWS4-HMAC-SHA256 "):
        return await _signed_in_header(request, account, authorization)
    if "X-Amz-Signature" in query:
        return _signed_in_query(request, account, query)
    if "AWSAccessKeyId" in query and "Signature" in query:
        return _signed_as_version_2(request, account, query)
    raise BadSignature("Missing Authentication Token", "MissingAuthenticationToken")


async def _signed_in_header(request, account, authorization):
    # "AWS4-HMAC-SHA256 Credential=KEY/20260101/us-east-1/sagemaker/aws4_request, SignedHeaders=a;b, Signature=f00"
    fields = dict(part.strip().split("=", 1) for part in authorization.split(" ", 1)[1].split(",") if "=" in part)
    key, region, service = _scope(fields.get("Credential", ""))
    stamp = request.headers.get("x-amz-date", "")
    if abs(datetime.now(UTC) - _time(stamp)) > SKEW:
        raise BadSignature(f"Signature expired: {stamp} is more than 15 minutes off.", "InvalidSignatureException")
    payload = request.headers.get("x-amz-content-sha256", "")
    if service != "s3" and not payload.startswith(UNREAD):
        _refuse_large(request)
        payload = hashlib.sha256(await request.body()).hexdigest()  # S3 itself compares, while it stores the body
    credentials, arn = _credentials(account, key, request.headers.get("x-amz-security-token"))
    verifier = Verifier(credentials, service, region, fields.get("SignedHeaders", "").split(";"), payload)
    _compare(verifier.signature_of(request, stamp, request.url.query), fields.get("Signature", ""))
    return Caller(key, region, service, arn)


def _signed_in_query(request, account, query):
    key, region, service = _scope(query.get("X-Amz-Credential", ""))
    stamp = query.get("X-Amz-Date", "")
    expires = query.get("X-Amz-Expires", "")
    if not expires.isdigit() or not 1 <= int(expires) <= LONGEST.total_seconds():
        raise BadSignature(
            f"X-Amz-Expires must be 1 to 604800 seconds, not {expires!r}", "AuthorizationQueryParametersError"
        )
    # The signer's clock is this computer's; what a URL lives by is the account's.
    if account.clock.of(_time(stamp)) + timedelta(seconds=int(expires)) < account.clock.now():
        raise BadSignature("Request has expired", "AccessDenied")
    credentials, arn = _credentials(account, key, query.get("X-Amz-Security-Token"))
    payload = "UNSIGNED-PAYLOAD" if service == "s3" else hashlib.sha256(b"").hexdigest()
    verifier = Verifier(credentials, service, region, query.get("X-Amz-SignedHeaders", "").split(";"), payload)
    unsigned = "&".join(part for part in request.url.query.split("&") if not part.startswith("X-Amz-Signature="))
    _compare(verifier.signature_of(request, stamp, unsigned), query["X-Amz-Signature"])
    return Caller(key, region, service, arn)


def _signed_as_version_2(request, account, query):
    expires = query.get("Expires", "")
    # Version 2 names the end by the signer's clock, and not when it signed: what was skipped meanwhile is let pass.
    if not expires.isdigit() or int(expires) < datetime.now(UTC).timestamp():
        raise BadSignature("Request has expired", "AccessDenied")
    credentials, arn = _credentials(account, query["AWSAccessKeyId"], query.get("x-amz-security-token"))
    headers, rest = HTTPHeaders(), []
    for part in request.url.query.split("&"):
        name = part.split("=")[0].lower()
        if name.startswith("x-amz-") or name in ("content-md5", "content-type"):
            headers[name] = query[part.split("=")[0]]
        elif name not in ("awsaccesskeyid", "signature", "expires"):
            rest.append(part)
    for name in ("content-md5", "content-type"):
        if name in request.headers and name not in headers:
            headers[name] = request.headers[name]
    host, path = host_of(request), request.scope["raw_path"].decode()
    if (
        host.endswith(".amazonaws.com") and ".s3." in host
    ):  # the bucket is named in the host, and is part of what is signed
        path = f"/{host.split('.s3.')[0]}{path}"
    parts = urlsplit(f"https://{host}{path}?{'&'.join(rest)}")
    _compare(
        Verifier2(credentials, expires).get_signature(request.method, parts, headers, auth_path=path),
        query["Signature"],
    )
    return Caller(query["AWSAccessKeyId"], account.region, "s3", arn)


def _refuse_large(request):
    """Raise if a body is too large to be read into memory, or does not say how large it is."""
    length = request.headers.get("content-length", "0" if "transfer-encoding" not in request.headers else "")
    if not length.isdigit():
        raise AwsError("The request must state its Content-Length.", "MissingContentLength", 411)
    if int(length) > LARGEST:
        raise AwsError(
            f"A request body holds at most {LARGEST} bytes, not {length}.", "RequestEntityTooLargeException", 413
        )


class Verifier(SigV4Auth):
    """Computes the signature that a request should bear, from the headers that its signer chose to sign."""

    def __init__(self, credentials, service, region, signed_headers, payload_hash):
        super().__init__(credentials, service, region)
        self.names, self.payload_hash = [name for name in signed_headers if name], payload_hash

    def signature_of(self, request, stamp, query):
        """Return the signature for a starlette request, signed at `stamp`, with this query string."""
        host = host_of(request)
        url = f"https://{host}{request.scope['raw_path'].decode()}" + (f"?{query}" if query else "")
        signed = AWSRequest(method=request.method, url=url)
        self.signed = HTTPHeaders()
        for name in self.names:
            self.signed[name] = host if name == "host" else request.headers.get(name, "")
        signed.context["timestamp"] = stamp
        return self.signature(self.string_to_sign(signed, self.canonical_request(signed)), signed)

    def headers_to_sign(self, request):
        return self.signed

    def payload(self, request):
        return self.payload_hash

    def _normalize_url_path(self, path):
        return path if self._service_name == "s3" else super()._normalize_url_path(path)


class Verifier2(HmacV1QueryAuth):
    """The same for Signature Version 2, in which the expiry stands where the date would."""

    def _get_date(self):
        return self._expires


def holds(account, access_key):
    """Tell whether an access key is good for anything now."""
    keys = _keys(account, access_key)
    return keys is not None and not _is_over(account, keys)


def _keys(account, access_key):
    return account.keys if access_key == account.keys["AccessKeyId"] else account.iam.key(access_key)


def _is_over(account, keys):
    return bool(keys.get("Expiration")) and keys["Expiration"] < account.clock.now()


def _credentials(account, access_key, token):
    keys = _keys(account, access_key)
    if keys is None or not hmac.compare_digest((token or "").encode(), keys["SessionToken"].encode()):
        raise BadSignature("The security token included in the request is invalid.", "InvalidClientTokenId")
    if _is_over(account, keys):
        raise BadSignature("The security token included in the request is expired", "ExpiredToken")
    return Credentials(access_key, keys["SecretAccessKey"], token), keys.get("Arn", account.caller_arn)


def _scope(credential):
    # "KEY/20260101/us-east-1/sagemaker/aws4_request"
    parts = credential.split("/")
    if len(parts) != 5 or parts[-1] != "aws4_request":
        raise BadSignature(
            f"Credential must be KEY/DATE/REGION/SERVICE/aws4_request, not {credential!r}", "IncompleteSignature"
        )
    return parts[0], parts[2], parts[3]


def _time(stamp):
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        sentence = f"X-Amz-Date must be a time such as 20260101T000000Z, not {stamp!r}"
        raise BadSignature(sentence, "IncompleteSignature") from None


def _compare(computed, given):
    if not hmac.compare_digest(computed.encode(), given.encode()):
        raise BadSignature(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret "
            "Access Key and signing method. Consult the service documentation for details.",
            "SignatureDoesNotMatch",
        )
