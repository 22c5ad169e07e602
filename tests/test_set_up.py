"""What is in the way of newcomers is met here for real: each time a sentence says what it is, and what to type."""

import ast
import os
import re
import shutil
import ssl
import subprocess
import sys
import sysconfig
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from helpers import environment
from pages import sections, table
from test_refusals import is_of, raised

ROOT = Path(__file__).parents[1]
PROGRAM = ROOT / "helpers/environment.py"
UNREACHABLE = "127.0.0.1:9"  # where nobody listens
ROWS = table(sections(ROOT / "book/setup.md")["if-it-does-not-start"])
SENTENCES = {name: value for name, value in vars(environment).items() if isinstance(value, tuple) and len(value) == 2}


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """A newcomer's settings: none."""
    for name in os.environ:
        if re.match(r"(PIP|UV|PYTHON|MAKE)|.*(PROXY|CERT|CA_BUNDLE)", name, re.I):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    return monkeypatch


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """An environment with pip and nothing else, as set-up has it after its first step."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    environment.run(sys.executable, "-m venv --without-pip", folder)
    environment.run(folder / "bin/python", "-m ensurepip")
    return folder


def set_up(folder, *options, python=sys.executable):
    """Run the program as without make; return what it says at last, and its exit status."""
    run = subprocess.run([python, PROGRAM, *options, folder], capture_output=True, text=True, timeout=120)
    return (run.stderr.strip().splitlines() or [""])[-1], run.returncode


def stopped(folder):
    """Let the packages be installed, which something stops; return what is said then."""
    with pytest.raises(environment.Failed) as failed:
        environment.install(folder)
    return str(environment.told(failed.value, folder))


def filled(sentences, **facts):
    return str(environment.Obstacle(sentences, **facts))


# The wrong Python, or none of make


@pytest.fixture
def old(tmp_path):
    """A Python that says it is 3.8.18, and is otherwise the one of these tests."""
    python = tmp_path / "old/python3"
    python.parent.mkdir()
    says = "import runpy, sys; sys.version_info = (3, 8, 18); del sys.argv[0]"
    runs = "runpy.run_path(sys.argv[0], None, '__main__')"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} -c "{says}; {runs}" "$@"\n')
    python.chmod(0o755)
    return python


def test_a_python_that_does_not_fit_is_named(old, tmp_path):
    made = subprocess.run(
        ["make", "setup", f"PY={old}", f"V={tmp_path}/venv"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert made.returncode == 2
    assert filled(environment.WRONG_PYTHON, python=sys.executable, version="3.8.18") in made.stderr


def test_another_python_is_taken_if_it_fits_and_nobody_asked_for_one(old, tmp_path, monkeypatch):
    fitting = tmp_path / "other" / f"python{environment.MINE}"
    fitting.parent.mkdir()
    fitting.symlink_to(sys.executable)
    monkeypatch.setenv("PATH", f"{fitting.parent}:/usr/bin:/bin")
    assert set_up(fitting.parent, python=old) == (filled(environment.NOT_OURS, folder=fitting.parent), 1)


def test_an_old_python_can_read_the_program():
    tree = ast.parse(PROGRAM.read_text(), feature_version=(3, 6))
    names = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    names |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert names <= set(sys.stdlib_module_names)


def test_without_make_the_shell_says_so_and_two_commands_do_the_same(tmp_path):
    run = subprocess.run(["/bin/sh", "-c", "make lab"], env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert run.returncode == 127 and "make" in run.stderr and "not found" in run.stderr
    [row] = [row for row in ROWS if plain(row[0]) == "make: not found"]
    recipe = (ROOT / "Makefile").read_text()
    for command in ("python3 helpers/environment.py", ".venv/bin/course lab"):
        assert f"`{command}`" in row[2] and command in (ROOT / "README.md").read_text()
        assert command.replace("python3", "$(PY)").replace(".venv/bin", "$(BIN)") in recipe


def test_without_python_make_says_so(tmp_path):
    run = subprocess.run(
        [shutil.which("make"), "setup"], env={"PATH": str(tmp_path)}, cwd=ROOT, capture_output=True, text=True
    )
    assert run.returncode == 2 and "python3: No such file or directory" in run.stderr


def test_a_python_without_the_part_that_makes_environments_says_which_is_missing(bare, tmp_path):
    """Debian keeps `ensurepip` in a package of its own; here is a library without it, and no index to get pip from."""
    bare.setenv("PIP_INDEX_URL", f"http://{UNREACHABLE}/simple")
    stdlib = Path(sysconfig.get_path("stdlib"))
    library = tmp_path / "lib" / stdlib.name
    library.mkdir(parents=True)
    for part in stdlib.iterdir():
        if part.name != "ensurepip":
            (library / part.name).symlink_to(part)
    bare.setenv("PYTHONHOME", str(tmp_path))
    assert set_up(tmp_path / "venv") == (filled(environment.NO_VENV, python=sys.executable), 1)


# Network


def test_without_a_network_no_index_answers(bare, begun):
    bare.setenv("PIP_INDEX_URL", f"http://{UNREACHABLE}/simple")
    assert stopped(begun) == filled(environment.NO_NETWORK)


@pytest.mark.slow
def test_make_ends_with_the_sentence(bare, tmp_path):
    bare.setenv("PIP_INDEX_URL", f"http://{UNREACHABLE}/simple")
    made = subprocess.run(["make", "setup", f"V={tmp_path}/venv"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert made.returncode == 2
    assert made.stderr.splitlines()[-2] == filled(environment.NO_NETWORK)


def test_a_proxy_that_is_not_there_is_named_without_its_password(bare, begun):
    bare.setenv("PIP_INDEX_URL", "https://index.invalid/simple")
    bare.setenv("HTTPS_PROXY", f"http://me:secret@{UNREACHABLE}")
    assert stopped(begun) == filled(environment.PROXY, proxy=f"http://{UNREACHABLE}")


class Index(BaseHTTPRequestHandler):
    """A package index that is empty, and a proxy that wants a password."""

    def do_GET(self):
        self.server.asked.append(self.path)
        self.server.is_asked.set()
        self.server.opens.wait(60)
        self.send_error(404)

    def do_CONNECT(self):
        self.send_error(407)

    def log_message(self, *_):
        """Be silent."""


@pytest.fixture
def index():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Index)
    server.asked, server.is_asked, server.opens = [], threading.Event(), threading.Event()
    server.opens.set()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_a_proxy_that_wants_a_password_is_named(bare, begun, index):
    bare.setenv("PIP_INDEX_URL", "https://index.invalid/simple")
    bare.setenv("HTTPS_PROXY", f"http://127.0.0.1:{index.server_port}")
    assert stopped(begun) == filled(environment.PROXY, proxy=f"http://127.0.0.1:{index.server_port}")


def certificate(subject, issuer, key, signer, *extensions):
    """Return a certificate that holds today."""
    now = datetime.now(UTC)
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (subject, issuer)]
    made = x509.CertificateBuilder(names[1], names[0], key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    for extension in extensions:
        made = made.add_extension(extension, critical=False)
    return made.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.fixture
def company(index, tmp_path):
    """An index behind a company's certificate; its file and its address."""
    own, theirs = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority, file = tmp_path / "company.pem", tmp_path / "index.pem"
    authority.write_bytes(certificate("A company", "A company", own, own, x509.BasicConstraints(True, None)))
    here = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))])
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    file.write_bytes(theirs.private_bytes(*form) + certificate("localhost", "A company", theirs, own, here))
    speaks = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    speaks.load_cert_chain(file)
    index.socket = speaks.wrap_socket(index.socket, server_side=True)
    return authority, f"https://localhost:{index.server_port}/simple"


@pytest.mark.slow
def test_a_companys_certificate_is_told_and_can_be_named(bare, begun, index, company):
    file, url = company
    bare.setenv("PIP_INDEX_URL", url)
    assert stopped(begun) == filled(environment.CERTIFICATE)
    assert index.asked == []
    bare.setenv("PIP_CERT", str(file))
    assert stopped(begun).startswith("Set-up stopped in")  # the index answers now, and is empty
    assert "/simple/uv/" in index.asked


def test_uv_is_told_of_the_certificate_by_the_same_line(bare, begun, index, company):
    file, url = company
    bare.setenv("UV_DEFAULT_INDEX", url)
    uv = Path(sys.executable).with_name("uv"), "pip sync --require-hashes --python", begun / "bin/python"
    with pytest.raises(environment.Failed) as failed:
        environment.run(*uv, environment.LOCKS[1])
    assert failed.value.obstacle == environment.CERTIFICATE and index.asked == []
    bare.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(environment.Failed):
        environment.run(*uv, environment.LOCKS[1])
    assert "/simple/uv/" in index.asked


# Room


@pytest.fixture
def small(tmp_path):
    """The words before a command that give it a disk of so many kB, which only Linux lets us do."""
    if sys.platform != "linux" or subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("no small file system can be mounted here")
    (tmp_path / "disk").mkdir()
    mount = 'mount -t tmpfs -o size=$0 tmpfs "$1" && shift && exec "$@"'
    return lambda size: ["unshare", "-rm", "sh", "-c", mount, size, str(tmp_path / "disk")]


@pytest.mark.slow
def test_a_disk_that_is_full_is_named(small, bare, tmp_path):
    folder = tmp_path / "disk/venv"
    run = subprocess.run([*small("4m"), sys.executable, PROGRAM, folder], capture_output=True, text=True, timeout=60)
    said = run.stderr.splitlines()[-1]
    assert said.startswith("No space is left: ") and f"0.0 GB in {folder}" in said
    assert said.endswith(environment.NO_SPACE[1])


@pytest.mark.slow
@pytest.mark.parametrize("size", ["4k", "200k"])
def test_an_account_on_a_full_disk_says_so(small, tmp_path, size):
    command = [sys.executable, "-m", "helpers.command", "lab", "--no-browser", "--folder", tmp_path / "disk/account"]
    run = subprocess.run([*small(size), *command], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1
    assert run.stderr == (
        f"course: No space is left for the account in {tmp_path}/disk/account. Make room there, and try again.\n"
    )


# What is not ours


@pytest.fixture
def ordinary():
    """The words before a command that let the rights of files count for it; for root they would not."""
    if os.geteuid():
        return []
    words = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    if not shutil.which("setpriv") or subprocess.run([*words, "true"], capture_output=True).returncode:
        pytest.skip("root cannot lay down its rights here")
    return words


@pytest.fixture
def shut():
    """Take the rights to a file or a folder away, until the test has ended."""
    closed = []

    def close(path, mode):
        closed.append((path, path.stat().st_mode))
        path.chmod(mode)

    yield close
    for path, mode in reversed(closed):
        path.chmod(mode)


@pytest.mark.parametrize("is_there", [False, True])
def test_a_folder_in_which_we_may_not_write_is_named(ordinary, shut, tmp_path, is_there):
    place = tmp_path / "clone"
    (place / ".venv").mkdir(parents=True)
    if not is_there:
        (place / ".venv").rmdir()
    shut(place / ".venv" if is_there else place, 0o000 if is_there else 0o500)
    run = subprocess.run(
        [*ordinary, sys.executable, PROGRAM, place / ".venv"], capture_output=True, text=True, timeout=60
    )
    named = filled(environment.CLOSED, place=place / ".venv" if is_there else place)
    assert (run.returncode, run.stderr.splitlines()[-1]) == (1, named)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "mode"),
    [("", 0o500), ("account", 0o500), ("account", 0o000), ("account/lock", 0), ("account/identity.json", 0)],
)
def test_an_account_that_is_closed_to_us_says_so(ordinary, shut, tmp_path, name, mode):
    folder, course = tmp_path / "account", [sys.executable, "-m", "helpers.command"]
    if name:
        subprocess.run([*course, "up", "--folder", folder], cwd=ROOT, check=True, capture_output=True)
        subprocess.run([*course, "down", "--folder", folder], cwd=ROOT, check=True, capture_output=True)
    shut(tmp_path / name, mode)
    command = [*ordinary, *course, "lab", "--no-browser", "--folder", folder]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.returncode == 1
    said = rf"course: The account in {folder} is closed to us \(Permission denied: '{folder}\S*'\)\. Was it made .+"
    assert re.fullmatch(said, run.stderr.strip()), run.stderr


# Two at once


@pytest.mark.slow
def test_a_second_set_up_waits_for_the_first_and_for_what_that_leaves_behind_when_it_is_killed(bare, index, tmp_path):
    bare.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{index.server_port}/simple")
    index.opens.clear()
    command, pipes = [sys.executable, PROGRAM, tmp_path / "venv"], {"stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as first:
        assert index.is_asked.wait(60)  # its pip is at work
        with subprocess.Popen(command, stderr=subprocess.PIPE, **pipes) as second:
            assert second.stdout.readline().strip() == environment.WAITS
            first.kill()
            first.wait()
            with pytest.raises(subprocess.TimeoutExpired):
                second.wait(1)  # the pip of the first writes into the folder still
            index.opens.set()
            said, complaint = second.communicate(timeout=120)
    assert said.startswith(f"{tmp_path}/venv is made anew, because it was not finished")
    assert "Set-up stopped in" in complaint  # the index is empty


# An environment that was there before


@pytest.fixture
def made(begun, tmp_path):
    """An environment that is finished, but for its packages."""
    folder = tmp_path / "venv"
    shutil.copytree(begun, folder, symlinks=True)
    environment.record(folder)
    return folder


def test_an_environment_that_stands_is_kept(made):
    before = (made / ".ready").stat().st_mtime_ns
    assert set_up(made, "--with-this-python") == ("", 0)
    assert (made / ".ready").stat().st_mtime_ns == before


def test_one_that_was_not_finished_is_made_anew(made):
    (made / ".ready").unlink()
    assert environment.why(made, False) == "anew, because it was not finished"


def test_one_whose_clone_was_moved_is_made_anew(made):
    moved = made.rename(made.with_name("moved"))
    assert environment.why(moved, False) == f"anew, because it was made in {made}, where its programs still look"


def test_one_whose_python_was_removed_is_made_anew(made):
    for name in (made / "bin").glob("python*"):
        name.unlink()
    (made / "bin/python").symlink_to(made / "gone")
    assert re.fullmatch(r"anew, because its Python 3\.\d+ of \S+ does not start any more", environment.why(made, False))


def test_one_whose_python_has_become_another_is_made_anew(made):
    ready = made / ".ready"
    ready.write_text(ready.read_text().replace(f'"{environment.MINE} of', '"3.10 of'))
    assert environment.why(made, False).startswith("anew, because its Python was 3.10 of ")


@pytest.mark.parametrize("asked", [True, False])
def test_one_of_another_python_is_made_anew_only_if_that_is_asked_for(made, asked, monkeypatch):
    monkeypatch.setattr(environment, "origin", lambda python: f"3.{11 + (python == sys.executable)} of /usr")
    made.joinpath(".ready").write_text(f'{{"Python": "3.11 of /usr", "Folder": "{made}"}}')
    said = "anew, because it is of Python 3.11 of /usr and 3.12 of /usr is asked for"
    assert environment.why(made, asked) == (said if asked else None)


def test_one_made_before_the_locks_changed_gets_what_is_new(bare, made):
    """It stays; what is new would come from the index, which is not there."""
    bare.setenv("PIP_INDEX_URL", f"http://{UNREACHABLE}/simple")
    ready = made / ".ready"
    ready.write_text(ready.read_text().replace(environment.digest(), "older"))
    (made / "mark").touch()
    assert set_up(made) == (filled(environment.NO_NETWORK), 1)
    assert (made / "mark").exists() and "older" in ready.read_text()


@pytest.mark.slow
def test_one_that_is_made_anew_says_why(bare, made):
    bare.setenv("PIP_INDEX_URL", f"http://{UNREACHABLE}/simple")
    moved = made.rename(made.with_name("moved"))
    run = subprocess.run([sys.executable, PROGRAM, moved], capture_output=True, text=True, timeout=60)
    assert run.stdout.startswith(f"{moved} is made anew, because it was made in {made}")
    assert str(moved) in (moved / "pyvenv.cfg").read_text()


def test_a_folder_that_is_no_environment_is_left_alone(tmp_path):
    (tmp_path / "letter").write_text("dear me")
    assert set_up(tmp_path) == (filled(environment.NOT_OURS, folder=tmp_path), 1)
    assert (tmp_path / "letter").exists()


# The table of the book


def plain(cell):
    return cell.replace("`", "").replace("\\|", "|")


@pytest.mark.parametrize("name", SENTENCES)
def test_each_sentence_stands_in_the_book_with_what_to_type(name):
    found, mend = (re.sub(r"\{\w+\}", "…", part) for part in SENTENCES[name])
    [row] = [row for row in ROWS if plain(row[0]) == found.replace("`", "")]
    assert plain(row[2]).startswith(mend.replace("`", "")) and len(row[1]) > 20


def test_the_rows_after_them_are_what_the_shell_make_and_the_account_say():
    said = [sentence for name in ("lab.py", "local_account/serving.py") for sentence in raised(ROOT / "helpers" / name)]
    shells, others = ROWS[len(SENTENCES) :][:2], ROWS[len(SENTENCES) :][2:]
    assert [plain(row[0]) for row in shells] == ["make: not found", "python3: No such file or directory"]
    assert [row[0] for row in others if not any(is_of(plain(row[0]), one) for one in said)] == []
    assert len(others) >= 3
