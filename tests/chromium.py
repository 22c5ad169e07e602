"""A real browser for tests: Chromium without a window, driven over its own DevTools protocol."""

import asyncio
import json
import shutil
import subprocess
import time
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import pytest
import requests

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--window-size=1400,1000",
    "--remote-debugging-port=0",
)  # fmt: skip
PATIENCE = 90  # seconds until a page shows what it should


class Page:
    """A page in the browser."""

    def __init__(self, socket):
        self.socket, self.numbers = socket, count(1)

    async def do(self, method, **parameters):
        """Give one command of the protocol and return its result."""
        number = next(self.numbers)
        await self.socket.send_json({"id": number, "method": method, "params": parameters})
        while True:
            said = json.loads((await self.socket.receive(timeout=PATIENCE)).data)
            if said.get("id") == number:
                assert "error" not in said, said
                return said["result"]

    async def tell(self, script):
        """Return the value of an expression on the page."""
        told = await self.do("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    async def until(self, script):
        """Wait until an expression is true on the page."""
        end = time.monotonic() + PATIENCE
        while not await self.tell(f"Boolean({script})"):
            assert time.monotonic() < end, f"{script} did not become true. The page says: {await self.text()}"
            await asyncio.sleep(0.2)

    async def text(self):
        """Return what the page shows."""
        return await self.tell("document.body?.innerText")

    async def click(self, script):
        """Click on the element that an expression finds, as soon as it is there."""
        await self.until(f"({script})?.getBoundingClientRect().width")
        box = json.loads(await self.tell(f"JSON.stringify(({script}).getBoundingClientRect())"))
        at = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        for kind in ("mousePressed", "mouseReleased"):
            await self.do("Input.dispatchMouseEvent", type=kind, button="left", clickCount=1, **at)

    async def write(self, text):
        """Write a text where the cursor is."""
        await self.do("Input.insertText", text=text)


def visit(url, doing):
    """Open a URL in a new browser and let the coroutine function `doing` do something there with the page."""
    with browser() as at:
        target = requests.put(f"{at}/json/new?about:blank", timeout=30).json()["webSocketDebuggerUrl"]
        return asyncio.run(_visit(target, url, doing))


async def _visit(target, url, doing):
    async with aiohttp.ClientSession() as session, session.ws_connect(target, max_msg_size=0) as socket:
        page = Page(socket)
        await page.do("Page.navigate", url=url)
        return await doing(page)


@contextmanager
def browser():
    """Start a browser that knows nothing; yield where it is driven."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"No browser is installed here: none of {', '.join(NAMES)} is found.")
    with TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [program, *FLAGS, f"--user-data-dir={profile}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            yield f"http://127.0.0.1:{_port(Path(profile, 'DevToolsActivePort'), process)}"
        finally:
            process.terminate()
            process.wait(30)


def _port(path, process):
    end = time.monotonic() + PATIENCE
    while not path.exists() or "\n" not in path.read_text():
        assert process.poll() is None and time.monotonic() < end, "The browser did not start."
        time.sleep(0.1)
    return path.read_text().split("\n")[0]
