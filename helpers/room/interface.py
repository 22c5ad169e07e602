"""The addresses of this computer, by the names of its interfaces."""

import socket

import psutil

from ..local_account.errors import Refused


def address(name):
    """Return the IPv4 address of an interface, "eth0" say; raise Refused with those that there are."""
    found = addresses()
    if name not in found:
        known = ", ".join(f"{interface} ({where})" for interface, where in sorted(found.items()))
        raise Refused(f"This computer has no interface {name!r} with an IPv4 address. It has {known or 'none'}.")
    return found[name]


def addresses():
    """Return the first IPv4 address of each interface that is up."""
    up = {name for name, state in psutil.net_if_stats().items() if state.isup}
    return {
        name: next(each.address for each in all_of_it if each.family == socket.AF_INET)
        for name, all_of_it in psutil.net_if_addrs().items()
        if name in up and any(each.family == socket.AF_INET for each in all_of_it)
    }
