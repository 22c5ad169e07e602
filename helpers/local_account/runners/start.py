"""How a container of an image starts: by the request's own command, or by the image's `train`."""

import shutil
from pathlib import Path

FOLDER = Path(__file__).parent
PROGRAMS = (
    "script_mode.py", "xgboost_algorithm.py", "xgboost_hyperparameters.py", "xgboost_data.py", "xgboost_lean.py"
)  # fmt: skip


def command(request):
    """Return the command of the request; [] leaves it to the image."""
    specification = request["AlgorithmSpecification"]
    return [*specification.get("ContainerEntrypoint", []), *specification.get("ContainerArguments", [])]


def program(request):
    """Return which program the image's `train` is for a request, or None where the request has a command of its own.

    A learner's script is named by a hyperparameter or a variable: SDK v2 did so, v3 sends a command instead.
    XGBoost's image without a script runs its own algorithm.
    """
    if command(request)[:1] not in ([], ["train"]):
        return None
    named = "sagemaker_program" in request.get("HyperParameters", {}) or "SAGEMAKER_PROGRAM" in request.get(
        "Environment", {}
    )
    own_algorithm = "/sagemaker-xgboost:" in request["AlgorithmSpecification"].get("TrainingImage", "")
    return "xgboost_algorithm" if own_algorithm and not named else "script_mode"


def install(machine, request):
    """Put the image's `train` on a machine, where the job needs it."""
    chosen = program(request)
    if chosen is None:
        return
    folder = machine.path("/opt/programs")
    folder.mkdir()
    for name in PROGRAMS:
        (folder / name).write_text(machine.relocation.inward((FOLDER / name).read_text()))
    shutil.copy(FOLDER.parent / "relocation.py", folder)
    (folder / "paths").write_text("\n".join(machine.paths))
    train = machine.path("/opt/python/bin/train")
    train.write_text(f'#!/bin/sh\nexec python3 {folder}/{chosen}.py "$@"\n')
    train.chmod(0o755)
