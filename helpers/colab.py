"""A notebook on Google Colab: its cells run in the course's own environment, behind the kernel that Colab gives.

Colab opens a notebook without the rest of its repository, and lets nobody choose a kernel. Its own has other versions
of our packages, some of them loaded before the first cell. So `begin` makes the environment as `make setup` does, and
starts the course's kernel in it; each cell below goes to that kernel, and what comes back is shown in its place.

This file runs among Colab's packages. It imports nothing of the course's, and of theirs what every kernel has.
"""

import os
import subprocess
import sys
from pathlib import Path
from queue import Empty

from IPython import get_ipython
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENT = ROOT / ".venv"
KERNEL = "sagemaker-course"
# What a cell says that is not handed over: our first cell, and Colab itself, whose pages ask its kernel unseen
STAYS = ("colab.begin(", "google.colab")
COLABS_OWN = ("MPLBACKEND", "PYTHONPATH")  # variables that mean Colab's packages
SHOWN = ("stream", "display_data", "update_display_data", "execute_result", "clear_output")


class Stopped(Exception):
    """The course's kernel is not there; the sentence says what to do."""

    def _render_traceback_(self):
        """Show the sentence alone: the way to it would teach nothing."""
        return [f"{type(self).__name__}: {self}"]


def begin(folder):
    """Make the environment, start the course's kernel in a folder of the clone, and hand it all cells from now on."""
    global _kernel
    if _kernel and _kernel.lives():
        return
    set_up()
    _kernel = Kernel(ROOT / folder)
    transformers = get_ipython().input_transformers_cleanup
    if handed_over not in transformers:
        transformers.insert(0, handed_over)
    print(f"The cells below run in {ENVIRONMENT}.")


def set_up():
    """Make the environment, and show what set-up says."""
    command = [sys.executable, str(ROOT / "helpers/environment.py")]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, env=without_colabs_own(), **pipes) as program:
        for line in program.stdout:
            print(line, end="", flush=True)
    if program.returncode:
        raise Stopped("The environment was not made. The last line above says why, and what helps.")


def without_colabs_own():
    """Return the variables for the course's own programs, which come first on its path."""
    kept = {name: value for name, value in os.environ.items() if name not in COLABS_OWN}
    return kept | {"PATH": os.pathsep.join([str(ENVIRONMENT / "bin"), os.environ.get("PATH", "")])}


def handed_over(lines):
    """Return a cell's lines as the kernel here runs them: one call, which runs the cell in the course's kernel."""
    source = "".join(lines)
    stays = not source.strip() or any(words in source for words in STAYS)
    return lines if stays else [f"from helpers import colab; colab.run({source!r})\n"]


def run(source):
    """Run a cell in the course's kernel, and end as it ends."""
    said = _kernel.run(source) if _kernel and _kernel.lives() else None
    if said is None:
        raise Stopped("The course's kernel has ended. Run the first cell again, then the others from the top.")
    if said["status"] != "ok":
        traceback = said.get("traceback", [])
        error = type(said.get("ename", "Aborted"), (Exception,), {"_render_traceback_": lambda _: traceback})
        raise error(said.get("evalue", ""))


class Kernel:
    """The course's kernel, and what it shows."""

    def __init__(self, folder):
        """Start it, and wait until it answers."""
        known = KernelSpecManager(kernel_dirs=[str(ENVIRONMENT / "share/jupyter/kernels")])
        self.manager = KernelManager(kernel_name=KERNEL, kernel_spec_manager=known)
        self.manager.start_kernel(cwd=str(folder), env=without_colabs_own())
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=120)

    def lives(self):
        """Return whether it can run a cell."""
        return self.manager.is_alive()

    def run(self, source):
        """Run a cell, show what it shows meanwhile, and return what the kernel says at its end; None if it died."""
        asked = self.client.execute(source, allow_stdin=False)
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except Empty:
                if not self.lives():
                    return None
            except KeyboardInterrupt:
                self.manager.interrupt_kernel()
            else:
                if message["parent_header"].get("msg_id") == asked:
                    if message["content"].get("execution_state") == "idle":
                        return self.answer(asked)
                    show(message)

    def answer(self, asked):
        """Return the kernel's last word on a cell."""
        while True:
            message = self.client.get_shell_msg(timeout=60)
            if message["parent_header"].get("msg_id") == asked:
                return message["content"]


def show(message):
    """Show below the cell what the course's kernel shows; an error is raised at the cell's end instead."""
    if message["msg_type"] in SHOWN:
        shell, content = get_ipython(), message["content"]
        if "execution_count" in content:
            content["execution_count"] = shell.execution_count
        shell.kernel.session.send(
            shell.kernel.iopub_socket, message["msg_type"], content, parent=shell.parent_header,
            metadata=message["metadata"], buffers=message["buffers"],
        )  # fmt: skip


_kernel: Kernel | None = None
