"""The way from a learner's JupyterLab to the account's console: where it is, and a session there that is the learner's.

The session is asked for with the learner's own keys. The browser never sees it.
"""

import asyncio
import os
from functools import cache

import aiohttp
from yarl import URL

from ..local_account import serving
from ..local_account.client import ask
from ..local_account.errors import Refused

PATIENCE = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=120)  # a page is held until it has changed


class NoWay(Exception):
    """The account does not answer, or not to this learner; the sentence says what was found."""


@cache
def way():
    """Return the way of this JupyterLab."""
    return Way(os.environ[serving.FOLDER])


class Way:
    """The way to the console of the account in a folder."""

    def __init__(self, folder):
        self.folder, self.place = folder, None  # place: (URL of the account, cookie)
        self.opening = asyncio.Lock()
        # Many pages may wait at the same time, each for news of its own; and a proxy is never asked.
        connections, no_cookies = aiohttp.TCPConnector(limit=0), aiohttp.DummyCookieJar()
        self.client = aiohttp.ClientSession(connector=connections, cookie_jar=no_cookies, timeout=PATIENCE)

    async def ask(self, method, target, headers, body):
        """Return the account's response; it may have been started anew since the last one, perhaps elsewhere."""
        try:
            place = await self.entered()
            for last in (False, True):
                try:
                    response = await self._send(place, method, target, headers, body)
                    if last or "Course-Session" not in response.headers:
                        return response
                    response.release()
                except aiohttp.ClientConnectorError:
                    if last:
                        raise
                place = await self.entered(place)
        except (serving.NotServed, aiohttp.ClientError, Refused) as error:
            raise NoWay(f"The account does not answer as it should: {error}") from None

    async def entered(self, stale=None):
        """Return where the account is, with a session there that is not the stale one."""
        async with self.opening:
            if self.place is None or self.place == stale:
                url, link = await asyncio.to_thread(self._link)
                async with self.client.get(link, allow_redirects=False) as response:
                    self.place = url, response.headers["Set-Cookie"].partition(";")[0]
            return self.place

    async def _send(self, place, method, target, headers, body):
        url, cookie = place
        headers = {"Cookie": cookie, "Accept-Encoding": "identity", **headers}
        if "Origin" in headers:
            headers["Origin"] = url
        where = URL(url + target, encoded=True)  # as the browser spelled it
        return await self.client.request(method, where, headers=headers, data=body or None, allow_redirects=False)

    def _link(self):
        variables = serving.variables(self.folder)  # the learner's, as COURSE_IDENTITY says
        return variables["AWS_ENDPOINT_URL"], ask(variables, "/console-link")["Url"]
