"""A notebook instance as a browser sees it: its pages, its kernels, its terminals."""

import asyncio
import json
import uuid

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

    def run(self, code):
        """Run code in a new kernel; return what it has printed."""
        kernel = self.post("/api/kernels").json()["id"]
        return asyncio.run(self._run(kernel, code))

    async def _run(self, kernel, code):
        printed, asked = "", uuid.uuid4().hex
        content = {"code": code, "silent": False, "store_history": False, "allow_stdin": False}
        header = {"msg_id": asked, "msg_type": "execute_request", "session": asked, "username": "", "version": "5.3"}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.session.cookies)
        url = f"{self.at}/api/kernels/{kernel}/channels"
        async with (
            aiohttp.ClientSession(headers={"Cookie": cookies}) as session,
            session.ws_connect(url, timeout=aiohttp.ClientWSTimeout(ws_close=5)) as socket,
        ):
            await socket.send_str(json.dumps(message))
            async with asyncio.timeout(60):
                async for answer in socket:
                    said = json.loads(answer.data)
                    if said["parent_header"].get("msg_id") != asked:
                        continue
                    if said["msg_type"] == "stream":
                        printed += said["content"]["text"]
                    if said["msg_type"] == "error":
                        printed += "\n".join(said["content"]["traceback"])
                    if said["msg_type"] == "status" and said["content"]["execution_state"] == "idle":
                        return printed
        raise AssertionError("the kernel's connection was closed")
