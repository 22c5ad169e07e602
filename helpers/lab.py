"""`course lab`: the local account and JupyterLab, started together and stopped together."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import webbrowser
from pathlib import Path
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from .local_account import serving
from .local_account.console.opening import link as console_link

ROOT = Path(__file__).parents[1]
FIRST = "notebooks/01-the-console-reports.ipynb"
SETTINGS = Path(__file__).with_name("jupyter")  # JupyterLab's settings for the course: no news pop-up
START = "import helpers, jupyterlab.labapp; jupyterlab.labapp.main()"  # as `-m jupyterlab`, with what `helpers` spares
KERNEL = "helpers.local_account.kernels.Kernel"
PORT = 8888  # where Jupyter is usually found
READY = 60  # seconds that JupyterLab may take to answer


def lab(account, port=None, browser=True):
    """Serve the account in a folder and JupyterLab until Ctrl-C; return the exit status."""
    port = _free(port)
    started = serving.find(account) is None
    place = serving.up(account)
    token = secrets.token_hex(24)
    url = f"http://127.0.0.1:{port}/lab/tree/{FIRST}?token={token}"
    end_at_signals()
    jupyter = None
    try:
        with serving.room(account):
            with open(Path(account, "lab.log"), "wb") as log:
                jupyter = subprocess.Popen(
                    command(port), cwd=ROOT, env=environment(token, account), stdin=subprocess.DEVNULL,
                    stdout=log, stderr=log, start_new_session=True,
                )  # fmt: skip
            _wait(jupyter, port, token, log.name)
        print(
            f"The local account answers at {place['Url']}. Its console opens for one browser, once, at\n\n"
            f"    {console_link(account)}\n\nJupyterLab is open at\n\n    {url}\n\nCtrl-C stops both.",
            flush=True,
        )
        if browser:
            webbrowser.open(url)
        return jupyter.wait()
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C does not leave anything running
        _end(jupyter)
        if started:
            serving.down(account)
        print(
            "\nStopped: JupyterLab"
            + (" and the local account." if started else "; the local account ran before and still runs.")
        )


def _free(port):
    """Return the port if it is free; without one, Jupyter's usual port or the next that is free."""
    for candidate in [port] if port else range(PORT, PORT + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", candidate))
                return candidate
            except OSError:
                pass
    if port:
        raise serving.NotServed(f"Port {port} is taken by another program. Choose another: make lab PORT={port + 1}")
    raise serving.NotServed(f"The ports from {PORT} to {PORT + 99} are all taken. Choose one: make lab PORT=…")


def end_at_signals():
    """Let `kill` stop everything as Ctrl-C does, also in the background."""
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, _interrupt)


def command(port, root=ROOT, address="127.0.0.1", certificate=None):
    """Return the command that serves JupyterLab; `certificate` are the paths of one and of its key, for TLS."""
    tls = [f"--ServerApp.{name}file={path}" for name, path in zip(("cert", "key"), certificate or (), strict=False)]
    return [
        sys.executable, "-c", START, "--no-browser", f"--ip={address}", f"--port={port}", *tls,
        "--ServerApp.port_retries=0", f"--ServerApp.root_dir={root}",
        f"--MultiKernelManager.kernel_manager_class={KERNEL}",
        *(["--allow-root"] if os.geteuid() == 0 else []),
    ]  # fmt: skip


def environment(token, account):
    """Return JupyterLab's environment: the course's programs come first, the token is where `ps` does not show it."""
    return os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]),
        "JUPYTER_TOKEN": token,
        serving.FOLDER: str(account),  # the account that the notebooks' first cell means
        "JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, [str(SETTINGS), os.environ.get("JUPYTER_CONFIG_PATH")])),
    }


def _wait(jupyter, port, token, log):
    opener, until = build_opener(ProxyHandler({})), time.monotonic() + READY
    while jupyter.poll() is None and time.monotonic() < until:
        try:
            return opener.open(f"http://127.0.0.1:{port}/api/status?token={token}", timeout=5).close()
        except (URLError, OSError):
            time.sleep(0.1)
    raise serving.NotServed(f"JupyterLab did not start. The end of {log}:\n{last_lines(log)}")


def last_lines(log):
    """Return the end of a log, or raise what a full disk is told by."""
    serving.fill(Path(log).parent)
    return "\n".join(Path(log).read_text(errors="replace").splitlines()[-8:])


def _end(jupyter, patience=10):
    """End JupyterLab with its kernels and terminals."""
    if jupyter is None:
        return
    if jupyter.poll() is None:
        jupyter.terminate()
        try:
            jupyter.wait(patience)
        except subprocess.TimeoutExpired:
            os.killpg(jupyter.pid, signal.SIGKILL)
            jupyter.wait()


def _interrupt(*_):
    raise KeyboardInterrupt
