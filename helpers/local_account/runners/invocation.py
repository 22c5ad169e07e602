"""An invocation on its way: an instance is found for it, its container is asked, and the answer is passed on."""

import asyncio
import time

from ..errors import AwsError
from .deployment import key_of
from .failure import Failure
from .instance import LOOK, Cancelled

LONGEST = 60  # seconds that an answer may take
TIMED_OUT = (
    b"Your invocation timed out while waiting for a response from container primary. Review the latency metrics "
    b"for each container in Amazon CloudWatch, resolve the issue, and try again."
)


class NotSent(Exception):
    """The request did not reach the container."""


class Answer:
    """What a container answers. Its status is 0 if there was no answer in time, or none that could be read."""

    def __init__(self, status, headers, body=b"", instance=None, response=None):
        self.status, self.headers, self.body, self.instance = status, headers, body, instance
        self.response = response  # from which the body is yet to be read, if there is one

    async def chunks(self):
        """Return the body piece by piece, as the container sends it; the instance is free at its end."""
        try:
            if self.response is None:
                yield self.body
            else:
                async for chunk in self.response.content.iter_any():
                    yield chunk
        finally:
            self.release()

    async def read(self):
        """Return the answer once it has its whole body."""
        import aiohttp

        try:
            self.body, self.response = b"".join([chunk async for chunk in self.chunks()]), None
        except TimeoutError:
            self.instance.doubt()
            self.status, self.headers, self.body = 0, {}, TIMED_OUT
        except aiohttp.ClientError:
            self.instance.doubt()
            self.status, self.headers, self.body = 0, {}, b""
        return self

    def release(self):
        """Let go of the connection and of the instance."""
        if self.response is not None:
            self.response.release()
        if self.instance is not None:
            self.instance.fleet.done(self.instance)


class Invocations:
    """The way of the requests to the containers of an account's endpoints."""

    def __init__(self, hosting):
        self.hosting, self.session = hosting, None

    async def leave(self):
        """Let go of the connections to the containers, while the event loop still runs."""
        if self.session:
            await self.session.close()

    async def begin(self, record, headers, body, variant=None):
        """Pass a request on to an instance; return its Answer as soon as that begins.

        Where no instance is healthy at the moment, the request waits for one.
        """
        late, key = time.monotonic() + LONGEST, key_of(record)
        while time.monotonic() < late and self.hosting.account.records.get("Endpoint", *key):
            fleet = self.hosting.routed(key, variant)
            if fleet and variant and variant not in fleet.variants:
                raise AwsError(f"Variant {variant} not found for Request", "ValidationError")
            instance = fleet and fleet.pick(variant)
            if instance is None:
                await asyncio.sleep(LOOK)
                continue
            try:
                await instance.ready()
                late = max(late, time.monotonic() + LONGEST) if instance.setup else late
                return await self.ask(instance, headers, body, late - time.monotonic())
            except (NotSent, Cancelled):
                fleet.done(instance)
                await asyncio.sleep(LOOK)
            except Failure as failure:
                return Answer(0, {}, str(failure).encode(), instance)
            except BaseException:
                fleet.done(instance)
                raise
        return Answer(0, {}, TIMED_OUT)

    async def ask(self, instance, headers, body, seconds):
        """Send a request to an instance and return its Answer."""
        import aiohttp

        if self.session is None:
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=600)
            self.session = aiohttp.ClientSession(
                connector=connector, auto_decompress=False, skip_auto_headers=["Content-Type"]
            )
        url = f"http://127.0.0.1:{instance.port}/invocations"
        try:
            timeout = aiohttp.ClientTimeout(total=seconds)
            response = await self.session.post(url, data=body, headers=headers, timeout=timeout)
            return Answer(response.status, response.headers, instance=instance, response=response)
        except aiohttp.ClientConnectorError:
            instance.doubt()
            raise NotSent from None
        except TimeoutError:
            instance.doubt()
            return Answer(0, {}, TIMED_OUT, instance)
        except aiohttp.ClientError:
            instance.doubt()
            return Answer(0, {}, b"", instance)
