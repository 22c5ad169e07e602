"""The first program of a notebook instance: it runs the lifecycle scripts, then JupyterLab, and stays with it.

    python notebook_boot.py PLAN

PLAN is a file that says which scripts there are and how JupyterLab is started. Every line of output goes to the account
as "stream<tab>text", where the stream is that of the log; the end of a script as "ended<tab>OnStart 0". What scripts
leave in the background runs on until the machine ends.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

LIMIT = 300  # seconds that a lifecycle script may take
STEADY = 10  # seconds; a JupyterLab that fails sooner would fail again


def main(plan):
    """Run the scripts; if all is well, run JupyterLab until the machine is stopped."""
    for hook in ("OnCreate", "OnStart"):
        code = run_script(hook, plan) if hook in plan["Scripts"] else 0
        say("ended", f"{hook} {code}")
        if code:
            return 1
    say("ended", "jupyter begun")
    return keep_jupyter(plan)


def run_script(hook, plan):
    """Run a lifecycle script; return its exit code, or "late"."""
    path = plan["Scripts"][hook]
    environment = {**os.environ, "PATH": plan["ScriptsPath"]}
    command = [path] if Path(path).read_bytes().startswith(b"#!") else ["/bin/sh", path]
    try:
        script = subprocess.Popen(
            command, env=environment, cwd=plan["Root"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    except OSError as error:  # the interpreter that its first line names is not there
        say(f"LifecycleConfig{hook}", f"/bin/bash: {path}: {error.strerror}")
        return 126
    pump = pass_on(script.stdout, f"LifecycleConfig{hook}")
    try:
        code = script.wait(plan.get("Limit", LIMIT))
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(script.pid, signal.SIGKILL)
        script.wait()
        return "late"
    pump.join(0.5)  # its last words; what it left in the background may go on speaking
    return code if code >= 0 else 128 - code


def keep_jupyter(plan):
    """Run JupyterLab; start it anew when it ends by itself, for a learner may shut it down from its menu."""
    stopping = threading.Event()
    jupyter = None

    def stop(*_):
        stopping.set()
        if jupyter:
            jupyter.terminate()

    signal.signal(signal.SIGTERM, stop)
    while True:
        began = time.monotonic()
        jupyter = subprocess.Popen(
            [*plan["Jupyter"], sys.argv[1]], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, cwd=plan["Volume"], start_new_session=True,
        )  # fmt: skip
        if stopping.is_set():
            jupyter.terminate()
        pass_on(jupyter.stdout, "jupyter.log")
        code = jupyter.wait()
        if stopping.is_set():
            return 0
        if code and time.monotonic() - began < STEADY:
            return code if code > 0 else 128 - code


def pass_on(output, stream):
    """Give each line of a program's output to the account, as it comes."""

    def read():
        for line in output:
            say(stream, line.decode(errors="replace").rstrip("\r\n"))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    return thread


def say(stream, text):
    """Say one line to the account."""
    os.write(1, f"{stream}\t{text}\n".encode(errors="replace"))


if __name__ == "__main__":
    sys.exit(main(json.loads(Path(sys.argv[1]).read_text())))
