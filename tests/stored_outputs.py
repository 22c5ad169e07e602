"""What a notebook stores against what a run of it has shown, cell by cell, as nbval compares."""

import copy

import nbformat
from nbval.plugin import IPyNbFile, coalesce_streams

from helpers.outputs import SAME


def differences(session, stored, executed):
    """Return what differs, a text for each cell, between a stored notebook and the same one executed (paths).

    A cell tagged `varies` must run, and may show something else. Cells that the run has added (papermill's parameters)
    have no counterpart and are not compared.
    """
    file = IPyNbFile.from_parent(session, path=stored)
    file.config.option.nbval_sanitize_with = str(SAME)
    file.setup_sanitize_files()
    shown = {cell.id: cell for cell in nbformat.read(executed, as_version=4).cells}
    found = []
    for item in file.collect():
        cell = item.cell
        if "varies" in cell.metadata.get("tags", []):
            continue
        new, old = (coalesce_streams(copy.deepcopy(one.outputs)) for one in (shown[cell.id], cell))
        if cell.source != shown[cell.id].source or not item.compare_outputs(new, old):
            found.append("\n".join([f"{item.name}: {cell.source}", *getattr(item, "comparison_traceback", [])]))
    return found
