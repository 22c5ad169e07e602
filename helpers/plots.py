"""One look for every figure of the course."""

from pathlib import Path

import matplotlib.pyplot

STYLE = Path(__file__).with_name("course.mplstyle")


def use():
    """Give the figures of this notebook the course's look, the same on every computer."""
    matplotlib.pyplot.style.use(["default", STYLE])
