"""Keeps out of a chapter's outputs what libraries say about themselves; warnings and errors stay."""

import importlib.util
import logging
import sys
import warnings


def hush():
    """Show warnings and errors only, and no advice to install what the course does without."""
    root = logging.getLogger()
    if not root.handlers:  # else whoever runs this kernel has decided; parts of the SDK would show every INFO
        handler = logging.StreamHandler(sys.stderr)
        handler.setLevel(logging.WARNING)
        handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
        handler.addFilter(lambda record: record.msg != "No region provided. Using default region.")  # begin gave it
        root.addHandler(handler)
    if importlib.util.find_spec("ipywidgets") is None:
        # The SDK's moving panels need ipywidgets; without it they would print empty lines and a warning.
        import rich

        rich.reconfigure(force_jupyter=False, force_terminal=False)
        warnings.filterwarnings("ignore", message='install "ipywidgets"')
