"""JupyterLab as the course sets it up."""

import json

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from traitlets.config import Config

from helpers import lab


def test_a_kernel_that_is_just_being_made_can_be_listed():
    """What a browser asks for while a notebook opens: Jupyter's server knows the kernel, but no activity of it yet."""
    settings = json.loads((lab.SETTINGS / "jupyter_server_config.json").read_text())
    kernels = AsyncMappingKernelManager(config=Config(settings))
    kernels._kernels["new"] = kernels.kernel_manager_factory(parent=kernels, kernel_name="python3")
    (listed,) = kernels.list_kernels()
    assert listed["id"] == "new" and listed["last_activity"]
