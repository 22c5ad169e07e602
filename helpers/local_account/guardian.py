"""A guardian runs one program and makes sure that nothing of it outlives its end, or the end of the account.

    python -I -S guardian.py LIFELINE STATUS GRACE program argument ...

LIFELINE is a pipe that only the account holds open. A line on it is the name of a signal for the program; its end means
that the account is gone (by `kill -9`, too) and then everything dies. STATUS tells the account the program's process id
and, by closing, that all is over. The guardian ends with the program's exit code; as Docker, with 128 + n for signal n.
It imports nothing but the standard library, so that it starts within some 20 ms.
"""

import contextlib
import os
import select
import signal
import sys
import time

LINUX = sys.platform == "linux"
SHELLS = {"sh", "bash", "dash", "zsh"}
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def main(lifeline, status, program):
    """Run the program and return its exit code when nothing of it runs any more."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    if LINUX:
        prctl(PR_SET_CHILD_SUBREAPER, 1)  # whoever in the family loses its parent becomes our child, even after setsid
    wake, alarm = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(alarm, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)

    child = start(program)
    os.write(status, b"%d\n" % child)
    code, told, waiting = None, set(), False
    while code is None or (waiting and family(child)):
        ready, _, _ = select.select([lifeline, wake], [], [], 0.1 if waiting else None)
        if wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 4096)
        if lifeline in ready:
            words = os.read(lifeline, 4096).split()
            if not words or b"KILL" in words:
                break
            waiting = True
        if waiting and code is None:
            pass_on(child, told)
        ended = reap(child)
        code = ended if code is None else code
    bury(child)
    return reap(child, wait=True) if code is None else code


def start(program):
    """Start the program in a session of its own and return its process id."""
    child = os.fork()
    if child:
        return child
    try:
        os.setsid()
        for usual in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(usual, signal.SIG_DFL)
        if LINUX:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # should the guardian itself be killed
        os.execvp(program[0], program)
    except OSError as error:
        os.write(2, f"exec {program[0]}: {error.strerror}\n".encode())
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)
    finally:
        os._exit(126)


def pass_on(child, told):
    """Send SIGTERM to the program; where shells and the SDK's drivers wrap it, to what they wrap, as they would not."""
    parents = processes()
    target = child
    while wraps(target):
        inner = [pid for pid, parent in parents.items() if parent == target]
        if not inner:
            break
        target = inner[0]
    # A wrapper that is about to end by itself gets a moment, so that what it still has to say is said.
    if target not in told and (target == child or not told or not wraps(target)):
        told.add(target)
        with contextlib.suppress(ProcessLookupError):
            os.kill(target, signal.SIGTERM)
