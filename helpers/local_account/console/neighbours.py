"""Who is at the other end of a connection on this computer: Linux says which user a connection belongs to."""

import os
import socket
import sys
from pathlib import Path

TABLE = Path("/proc/net/tcp")  # "0: 0100007F:A0F9 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000 …"
LOCAL, REMOTE, USER = 1, 2, 7  # its columns


def is_stranger(client, port, table=TABLE):
    """Tell whether a connection to a port of the account comes from another user of this computer.

    Cookies do not know ports: a server of another user, opened in the browser under 127.0.0.1, would be sent the
    console's cookie. It does not help that user, who cannot come in with it. The administrator may do everything
    anyway. Where the system does not tell whose a connection is, as on macOS, nobody is a stranger.
    """
    user = user_of(client, port, table)
    return user not in (None, os.getuid(), 0)


def user_of(client, port, table=TABLE):
    """Return the number of the user that a connection belongs to, or None if the system does not tell."""
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return None
    ends = _spelled(*client), _spelled("127.0.0.1", port)
    return next((int(row[USER]) for row in rows if (row[LOCAL], row[REMOTE]) == ends), None)


def _spelled(address, port):
    """Return an address and a port as the table has them."""
    number = int.from_bytes(socket.inet_aton(address), sys.byteorder)
    return f"{number:08X}:{port:04X}"
