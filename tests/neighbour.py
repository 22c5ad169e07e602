"""Another user of this computer, who sends what a test says to an address on it."""

import os
import subprocess
import sys

import pytest

from helpers.local_account.neighbours import TABLES

NOBODY = 65534
PROGRAM = """
import encodings.idna, os, socket, sys
user, address, port, leaves = sys.argv[1:]
os.setuid(int(user))
with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as far:
    far.settimeout(10)
    far.connect((address, int(port)))
    far.sendall(sys.stdin.buffer.read())
    if leaves == "stays":
        try:
            print(far.recv(4096).decode(errors="replace"), end="")  # "" if the far side hangs up in peace
        except ConnectionError:
            pass
"""
other_user = pytest.mark.skipif(
    os.geteuid() != 0 or not TABLES[0].exists(), reason="takes on the role of another user of this Linux"
)


def said_to(user, address, port, request, leaves="stays"):
    """Send a request as a user, and return how the answer begins; "" if there is none, or if the user `leaves`."""
    command = [sys.executable, "-I", "-c", PROGRAM, str(user), address, str(port), leaves]
    answer = subprocess.run(command, input=request.encode(), capture_output=True, cwd="/", timeout=60)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout.decode()
