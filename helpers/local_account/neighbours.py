"""Who is at the other end of a connection on this computer: Linux says which user a connection belongs to."""

import os
import socket
import sys
from pathlib import Path

# "0: 0100007F:A0F9 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1000        0 4711 …"; a program that
# speaks IPv6 and means 127.0.0.1 stands in the second table
TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
LOCAL, REMOTE, STATE, USER, HELD = 1, 2, 3, 7, 9  # their columns; what nobody holds any more has the number 0
LISTENS = "0A"


def is_stranger(client, port, tables=TABLES):
    """Tell whether a connection to a port of the account comes from another user of this computer.

    Cookies do not know ports: a server of another user, opened in the browser under 127.0.0.1, would be sent our
    cookie. It does not help that user, who cannot come in with it. The administrator may do everything anyway. Whoever
    has hung up already is a stranger: Linux does not tell any more who it was, and nobody waits for the answer. Where
    the system does not tell whose a connection is, as on macOS, nobody is a stranger.
    """
    ours = _spelled("127.0.0.1", port)
    rows = [row for table in tables for row in _rows(table) if row[HELD] != "0"]
    if not any(row[LOCAL] in ours and row[STATE] == LISTENS for row in rows):
        return False
    ends = list(zip(_spelled(*client), ours, strict=True))
    users = [int(row[USER]) for row in rows if (row[LOCAL], row[REMOTE]) in ends]
    return not any(user in (os.getuid(), 0) for user in users)


def _rows(table):
    try:
        return [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return []


def _spelled(address, port):
    """Return an address and a port as the two tables have them."""
    return [
        f"{_words(socket.inet_pton(family, text))}:{port:04X}"
        for family, text in ((socket.AF_INET, address), (socket.AF_INET6, f"::ffff:{address}"))
    ]


def _words(address):
    """Return the bytes of an address as Linux writes them: words of four bytes in this computer's order."""
    parts = (address[start : start + 4] for start in range(0, len(address), 4))
    return "".join(f"{int.from_bytes(part, sys.byteorder):08X}" for part in parts)
