"""Pages of a list that is there as a whole: a token names the place where the next page begins."""

import base64
import binascii


class NoPlace(ValueError):
    """A token that no answer has given out."""


def page(items, token, size):
    """Return (the items of the page that a token names, the token of the next page or None)."""
    start = _opened(token, len(items)) if token else 0
    following = start + size
    return items[start:following], _sealed(following) if following < len(items) else None


def _sealed(place):
    return base64.b64encode(f"from {place}".encode()).decode()


def _opened(token, length):
    try:
        word, place = base64.b64decode(token, validate=True).decode().split(" ")
    except (ValueError, binascii.Error):
        raise NoPlace(token) from None
    if word != "from" or not place.isdecimal() or not 0 < int(place) < max(length, 1):
        raise NoPlace(token)
    return int(place)
