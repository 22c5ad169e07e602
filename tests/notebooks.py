"""A notebook instance as a browser sees it: its pages, its kernels, its terminals."""

import asyncio
import json
import uuid
from contextlib import asynccontextmanager

import aiohttp
import requests

ROLE = "arn:aws:iam::000000000000:role/SageMakerCourseRole"


def create(sagemaker, name, **members):
    """Create a notebook instance and wait until it is in service."""
    members = {"InstanceType": "ml.t3.medium", "RoleArn": ROLE, **members}
    sagemaker.create_notebook_instance(NotebookInstanceName=name, **members)
    sagemaker.get_waiter("notebook_instance_in_service").wait(NotebookInstanceName=name)


def address(sagemaker, name):
    """Return where programs reach an instance: not every resolver knows the names below localhost."""
    url = sagemaker.describe_notebook_instance(NotebookInstanceName=name)["Url"]
    return f"http://127.0.0.1:{url.rsplit(':', 1)[1]}"


def link(sagemaker, name, **members):
    """Return a presigned URL of an instance, as programs reach it."""
    url = sagemaker.create_presigned_notebook_instance_url(NotebookInstanceName=name, **members)["AuthorizedUrl"]
    return f"{address(sagemaker, name)}/?{url.split('?')[1]}"


class Browser:
    """A browser that has opened a notebook instance."""

    def __init__(self, sagemaker, name, **members):
        self.at, self.session = address(sagemaker, name), requests.Session()
        self.first = self.get(link(sagemaker, name, **members) + "&view=lab")

    def get(self, path, **options):
        """Load a page."""
        return self.session.get(path if path.startswith("http") else self.at + path, timeout=30, **options)

    def post(self, path, **body):
        """Send what a page of the instance would send."""
        token = self.session.cookies["_xsrf"]
        return self.session.post(self.at + path, json=body, headers={"X-XSRFToken": token}, timeout=30)

    def delete(self, path):
        """Ask for the end of a kernel or a terminal, as a page of the instance would."""
        return self.session.delete(self.at + path, headers={"X-XSRFToken": self.session.cookies["_xsrf"]}, timeout=30)

    def run(self, code, **kind):
        """Run code in a new kernel, of the kind with a name perhaps; return what it has printed."""
        kernel = self.post("/api/kernels", **kind).json()["id"]
        return asyncio.run(self._run(kernel, code))

    def begin(self, code):
        """Run code in a new kernel, and leave as soon as the kernel has printed something; return its id."""
        kernel = self.post("/api/kernels").json()["id"]
        asyncio.run(self._run(kernel, code, leave=True))
        return kernel

    def type(self, terminal, line, until):
        """Type a line into a terminal, and leave when a text has come out of it."""
        asyncio.run(self._type(terminal, line, until))

    async def _type(self, terminal, line, until):
        shown = ""
        async with self._connected(f"/terminals/websocket/{terminal}") as socket:
            await socket.send_str(json.dumps(["stdin", f"{line}\r"]))
            async with asyncio.timeout(60):
                async for answer in socket:
                    kind, *what = json.loads(answer.data)
                    shown += what[0] if kind == "stdout" else ""
                    if until in shown:
                        return
        raise AssertionError(shown)

    @asynccontextmanager
    async def _connected(self, path):
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.session.cookies)
        async with (
            aiohttp.ClientSession(headers={"Cookie": cookies}) as session,
            session.ws_connect(self.at + path, timeout=aiohttp.ClientWSTimeout(ws_close=5)) as socket,
        ):
            yield socket

    async def _run(self, kernel, code, leave=False):
        printed, asked = "", uuid.uuid4().hex
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
        header = {"msg_id": asked, "msg_type": "execute_request", "session": asked, "username": "", "version": "5.3"}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        async with self._connected(f"/api/kernels/{kernel}/channels") as socket:
            await socket.send_str(json.dumps(message))
            async with asyncio.timeout(60):
                async for answer in socket:
                    said = json.loads(answer.data)
                    if said["parent_header"].get("msg_id") != asked:
                        continue
                    if said["msg_type"] == "stream":
                        printed += said["content"]["text"]
                        if leave:
                            return printed
                    if said["msg_type"] == "error":
                        printed += "\n".join(said["content"]["traceback"])
                    if said["msg_type"] == "status" and said["content"]["execution_state"] == "idle":
                        return printed
        raise AssertionError("the kernel's connection was closed")
