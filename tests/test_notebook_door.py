"""Notebook instances of a room: a link leads to the room's address by TLS, and there to the instance."""

import os
import socket
import ssl
import threading
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import aiohttp
import psutil
import pytest
import requests
from botocore.exceptions import ClientError

import notebooks
from helpers import clicks
from helpers.local_account import serving
from helpers.local_account.client import ask
from helpers.local_account.errors import Refused
from helpers.local_account.runners.notebook_door import PORTS, Door
from helpers.room import certificate
from learners import let_in

HERE = {"Address": "127.0.0.1", "Certificate": None, "Key": None, "Process": os.getpid()}


def place(folder):
    """Return what POST /room is told for a room at 127.0.0.1 that speaks TLS."""
    made, key = certificate.make(folder, "127.0.0.1")
    return HERE | {"Certificate": str(made), "Key": str(key)}


class Echo(BaseHTTPRequestHandler):
    """Answers with what was sent, twice."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(2 * len(body)))
        self.end_headers()
        self.wfile.write(body + body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    """The port of a web server on this computer."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        yield web.server_port
        web.shutdown()


@pytest.fixture
def room(tmp_path):
    return place(tmp_path)


@pytest.fixture
def door(room, server):
    opened = Door(room, server)
    yield opened
    opened.close()


def test_what_comes_by_tls_is_passed_on_in_both_directions(door, room):
    for size in (0, 1, 3 * 2**20 + 7):
        answer = requests.post(f"https://{door.place}", b"x" * size, verify=room["Certificate"], timeout=30)
        assert answer.content == b"x" * 2 * size


def test_many_come_in_at_once(door, room):
    session = requests.Session()
    session.verify, session.trust_env = room["Certificate"], False
    waiting = socket.create_connection(door.place.split(":"))  # and says nothing
    assert [session.post(f"https://{door.place}", b"a", timeout=30).content for _ in range(20)] == [b"aa"] * 20
    waiting.close()


def test_without_tls_nobody_comes_in(door):
    with pytest.raises(requests.ConnectionError):
        requests.post(f"http://{door.place}", b"a", timeout=30)


def test_whoever_is_in_is_out_when_it_closes(door, room):
    address, port = door.place.split(":")
    context = ssl.create_default_context(cafile=room["Certificate"])
    with context.wrap_socket(socket.create_connection((address, port), timeout=30), server_hostname=address) as inside:
        inside.sendall(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 1\r\n\r\na")
        assert inside.recv(4096).startswith(b"HTTP/1.1 200")
        door.close()
        with pytest.raises(ConnectionError):
            while inside.recv(4096):
                pass
            raise ConnectionError  # hung up in peace
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((address, port), timeout=30)
    door.close()  # once more does no harm


def test_a_server_that_has_gone_is_no_error(room):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        door = Door(room, free.getsockname()[1])
    with pytest.raises(requests.ConnectionError):
        requests.post(f"https://{door.place}", b"a", verify=room["Certificate"], timeout=30)
    door.close()


def test_each_has_the_first_port_that_is_free(door, room, server):
    second = Door(room, server)
    ports = [int(each.place.split(":")[1]) for each in (door, second)]
    assert ports == sorted(set(ports)) and set(ports) <= set(PORTS)
    second.close()


@pytest.mark.parametrize("wrong", [{"Address": "192.0.2.1"}, {"Certificate": "/nowhere.crt"}], ids=str)
def test_a_door_that_cannot_be_opened_is_an_error(room, server, wrong):
    before = threading.active_count()
    with pytest.raises(OSError):
        Door(room | wrong, server)
    assert threading.active_count() == before


def test_no_learner_says_where_the_room_is(account, room):
    with pytest.raises(Refused, match="course-kim/kim may not say where the room is"):
        ask(let_in(account, "kim"), "/room", method="POST", content=room)


class Outside(notebooks.Browser):
    """A browser at another computer, which has opened an instance by a link of a room."""

    def __init__(self, url, trusted):
        parts = urlsplit(url)
        self.at, self.session = f"https://{parts.netloc}", requests.Session()
        self.session.verify, self.session.trust_env = trusted, False
        self.context = ssl.create_default_context(cafile=trusted)
        self.first = self.get(f"/?{parts.query}&view=lab")

    @asynccontextmanager
    async def _connected(self, path):
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in self.session.cookies)
        headers = {"Cookie": cookies, "Origin": self.at}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.ws_connect(self.at + path, ssl=self.context, timeout=aiohttp.ClientWSTimeout(ws_close=5)) as socket,
        ):
            yield socket


@pytest.mark.slow
def test_a_link_of_a_room_opens_the_instance_from_another_computer(account, monkeypatch):
    sagemaker, room = account.client("sagemaker"), place(account.folder)
    notebooks.create(sagemaker, "far")

    def link():
        return sagemaker.create_presigned_notebook_instance_url(NotebookInstanceName="far")["AuthorizedUrl"]

    def listening():
        mine = psutil.Process(account.pid).net_connections()
        return {one.laddr.port for one in mine if one.status == psutil.CONN_LISTEN} - {account.port}

    assert link().startswith("http://far.notebook.us-east-1.sagemaker.localhost:") and listening() == set()
    ask(account.environment, "/room", method="POST", content=room)
    assert listening() == set()  # until somebody asks for a link
    url = link()
    assert url.startswith("https://127.0.0.1:") and urlsplit(link()).netloc == urlsplit(url).netloc
    assert listening() == {urlsplit(url).port}

    browser = Outside(url, room["Certificate"])
    assert browser.first.status_code == 200 and "JupyterLab" in browser.first.text
    assert browser.first.url.startswith(f"{browser.at}/lab")
    [session] = [cookie for cookie in browser.session.cookies if cookie.name.startswith("username-")]
    assert session.secure
    assert browser.run("print(6 * 7)") == "42\n"
    assert requests.get(f"{browser.at}/api/contents", verify=room["Certificate"], timeout=30).status_code == 403
    other = browser.get("/api/status", headers={"Host": "192.0.2.7:80"})
    assert other.status_code == 403  # a name that was rebound
    near = notebooks.Browser(sagemaker, "far")  # its link's token is good at this computer's own port, too
    assert near.first.status_code == 200

    monkeypatch.setenv(serving.FOLDER, str(account.folder))
    monkeypatch.setenv("AWS_ENDPOINT_URL", account.url)
    clicks.launcher(link(), "terminals")
    assert len(browser.get("/api/terminals").json()) == 1

    ask(account.environment, "/room", method="POST", content=HERE)  # the room is closed
    assert listening() == set() and link().startswith("http://far.notebook.")
    ask(account.environment, "/room", method="POST", content=room)
    link()
    assert len(listening()) == 1
    sagemaker.stop_notebook_instance(NotebookInstanceName="far")
    sagemaker.get_waiter("notebook_instance_stopped").wait(NotebookInstanceName="far")
    assert listening() == set()


@pytest.mark.slow
def test_a_link_that_would_lead_nowhere_is_refused(account):
    sagemaker = account.client("sagemaker")
    notebooks.create(sagemaker, "lost")
    room = place(account.folder) | {"Address": "192.0.2.1"}
    ask(account.environment, "/room", method="POST", content=room)
    with pytest.raises(ClientError, match=r"No port of 192\.0\.2\.1, where the room is, can be opened"):
        sagemaker.create_presigned_notebook_instance_url(NotebookInstanceName="lost")
