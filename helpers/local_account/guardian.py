"""A guardian runs one program and makes sure that nothing of it outlives its end, or the end of the account.

    python -I -S guardian.py LIFELINE STATUS LOCK program argument ...

LIFELINE is a pipe whose other end only the account holds. `TERM` or `KILL` on it ends the program politely or at
once; when the pipe breaks, the account is gone (by `kill -9`, too) and everything dies. STATUS tells the account the
program's process id and, by closing, that all is over. LOCK is a file that stays locked until then, for an account
that starts anew. The guardian exits with the program's exit code; as Docker, with 128 + n for signal n.
"""

import contextlib
import fcntl
import os
import select
import signal
import sys
import time

LINUX = sys.platform == "linux"
SHELLS = {"sh", "bash", "dash", "zsh"}
PATIENCE = 0.5  # seconds in which a wrapper may end by itself
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36


def main(lifeline, status, lock, program):
    """Run the program; return its exit code when nothing of it runs any more."""
    os.set_inheritable(lifeline, False)
    os.set_inheritable(status, False)
    held = open(lock, "a")
    with contextlib.suppress(OSError):  # os.devnull, say, need not know locks
        fcntl.flock(held, fcntl.LOCK_SH)
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    if LINUX:
        prctl(PR_SET_CHILD_SUBREAPER, 1)  # who loses its parent becomes our child, even one that has left by setsid
    wake = wake_up_call()
    child, code = start(program), None
    try:
        with contextlib.suppress(BrokenPipeError):  # the account may be gone already; the lifeline will tell
            os.write(status, b"%d\n" % child)
        code = watch(child, lifeline, wake)
    finally:
        code = bury(child, code)
    return code


def watch(child, lifeline, wake):
    """Wait until the program ends, and return its exit code, or None if it is to be killed."""
    code, stopping, told = None, False, {}
    while code is None:
        ready, _, _ = select.select([lifeline, wake], [], [], 0.05 if stopping else None)
        if wake in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake, 4096)
        if lifeline in ready:
            words = os.read(lifeline, 4096).split()
            if not words or b"KILL" in words:
                return None
            stopping = True
        if stopping:
            pass_on(child, told)
        code = reap().get(child)
    return code


def wake_up_call():
    """Return a file descriptor that becomes readable when a child ends."""
    wake, alarm = os.pipe()
    os.set_blocking(wake, False)
    os.set_blocking(alarm, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(alarm, warn_on_full_buffer=False)
    return wake


def start(program):
    """Start the program in a session of its own; return its process id when it has begun and hears signals."""
    begun, beginning = os.pipe()
    child = os.fork()
    if child:
        os.close(beginning)
        os.read(begun, 1)  # the program's end of the pipe closes by itself when the program takes over
        os.close(begun)
        return child
    try:
        os.setsid()
        for usual in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE):
            signal.signal(usual, signal.SIG_DFL)
        if LINUX:
            prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # in case somebody kills the guardian itself
        os.execvp(program[0], program)
    except OSError as error:
        os.write(2, f"exec: {program[0]}: {error.strerror}\n".encode())
        os._exit(127 if isinstance(error, FileNotFoundError) else 126)  # as a shell and Docker say it
    finally:
        os._exit(126)


def pass_on(child, told):
    """Send SIGTERM to the program, or to what runs in it where it only wraps: wrappers do not pass signals on.

    The first process of a container that the SDK's ModelTrainer starts is a shell, in it the SDK's driver, in it the
    learner's script: the script is who has something to save. A shell with a trap for SIGTERM has that itself.
    Once that has ended, the wrapper will soon end by itself, and may have a last program to run; if it goes on, as a
    loop does, it hears the signal, too. `told` holds None for who has had it, else since when we wait for somebody.
    """
    parents, chain, now = processes(), [child], time.monotonic()
    while wraps(chain[-1]) and (inner := [pid for pid, parent in parents.items() if parent == chain[-1]]):
        chain.append(inner[0])
    if any(told.get(pid, now) is None for pid in chain):
        return
    for pid in reversed(chain):
        if not told or now - told.setdefault(pid, now) > PATIENCE:
            told[pid] = None
            kill(pid, signal.SIGTERM)
            return


def wraps(pid):
    """Tell whether a process is a shell or one of the SDK's drivers, and has no way of its own with SIGTERM."""
    words = command(pid)
    return (
        bool(words)
        and not catches(pid, signal.SIGTERM)
        and (os.path.basename(words[0]).lstrip("-") in SHELLS or any("/sm_drivers/" in w for w in words[1:3]))
    )


def catches(pid, number):
    """Tell whether a process has a handler for a signal, as a shell has after `trap`; only Linux knows."""
    with contextlib.suppress(OSError, ValueError, StopIteration), open(f"/proc/{pid}/status") as status:
        caught = next(line for line in status if line.startswith("SigCgt:"))  # "SigCgt:  0000000000004000"
        return bool(int(caught.split()[1], 16) >> (number - 1) & 1)
    return False


def bury(child, code):
    """Kill whatever is left of the program; return its exit code."""
    patience = time.monotonic() + 10  # a process that hangs in the kernel cannot be killed: do not wait for it for ever
    while time.monotonic() < patience:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        left = children_left()
        if left:
            for pid in family():
                kill(pid, signal.SIGKILL)
        ended = reap()
        code = ended.get(child, code)
        if not left:
            break
        time.sleep(0.002)
    return 128 + signal.SIGKILL if code is None else code


def reap():
    """Collect the children that have ended: their exit codes by process id."""
    ended = {}
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            pid, status = found
            code = os.waitstatus_to_exitcode(status)
            ended[pid] = code if code >= 0 else 128 - code
    return ended


def children_left():
    """Tell whether the guardian has children, whether they run or have ended uncollected."""
    if not LINUX:
        return bool(family())
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return True
    except ChildProcessError:
        return False


def family():
    """Return the process ids of all descendants of the guardian."""
    parents, found = processes(), {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found - {os.getpid()}


def processes():
    """Return the parent of every process."""
    if not LINUX:
        return {int(pid): int(parent) for pid, parent in map(str.split, listed("-axo", "pid=,ppid="))}
    parents = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", "rb") as stat:
            parents[int(pid)] = int(stat.read().rpartition(b")")[2].split()[1])  # "7 (a name) S 1 ..."
    return parents


def command(pid):
    """Return the command line of a process."""
    if not LINUX:
        return " ".join(listed("-o", "command=", "-p", str(pid))).split()
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as line:
            return line.read().decode(errors="replace").split("\0")
    except OSError:
        return []


def listed(*options):
    """Return the lines of `ps`, without itself."""
    import subprocess

    ps = subprocess.Popen(["ps", *options], stdout=subprocess.PIPE, text=True)
    out, _ = ps.communicate()
    return [line for line in out.splitlines() if line.split()[:1] != [str(ps.pid)]]


def kill(pid, number):
    """Send a signal to a process that may be gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def prctl(option, value):
    """Call Linux's prctl."""
    import ctypes

    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]))
