"""Which chapter of the course makes things of a kind, found in the chapters themselves."""

import json
import re
from functools import cache
from pathlib import Path

NOTEBOOKS = Path(__file__).parents[3] / "notebooks"
MAKES = {  # what makes a thing of a kind, in the code of a chapter
    "TrainingJob": r"ModelTrainer\(|\.create_training_job\(|\bTrainingJob\.create\(",
    "Model": r"ModelBuilder\(|\.create_model\(|\bModel\.create\(",
    "EndpointConfig": r"\.create_endpoint_config\(|\bEndpointConfig\.create\(",
    "Endpoint": r"\.create_endpoint\(|\bEndpoint\.create\(",
    "ProcessingJob": r"\w*Processor\(|\.create_processing_job\(|\bProcessingJob\.create\(",
    "TransformJob": r"\bTransformer\(|\.create_transform_job\(|\bTransformJob\.create\(",
    "HyperParameterTuningJob": r"HyperparameterTuner\(|\.create_hyper_parameter_tuning_job\(|TuningJob\.create\(",
    "NotebookInstance": r"\.create_notebook_instance\(|\bNotebookInstance\.create\(",
}


@cache
def chapter_of(kind):
    """Return "chapter 6, A training job" for the first chapter that makes things of a kind, or ""."""
    for path in sorted(NOTEBOOKS.glob("[0-9][0-9]-*.ipynb")):
        cells = json.loads(path.read_text())["cells"]
        code = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
        if kind in MAKES and re.search(MAKES[kind], code):
            return f"chapter {int(path.name[:2])}, {path.name}"
    return ""
