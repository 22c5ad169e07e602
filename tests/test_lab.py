"""JupyterLab as the course sets it up."""

import pytest
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from traitlets.config import Config

from helpers import lab


def listed(settings):
    """Return what a browser gets that asks for the kernels while one is being made."""
    kernels = AsyncMappingKernelManager(config=Config(settings))
    kernels._kernels["new"] = kernels.kernel_manager_factory(parent=kernels, kernel_name="python3")
    return kernels.list_kernels()


def test_a_kernel_that_is_just_being_made_can_be_listed():
    option = next(each for each in lab.command(8888) if "kernel_manager_class" in each)
    where, _, name = option.removeprefix("--MultiKernelManager.").partition("=")
    (kernel,) = listed({"AsyncMappingKernelManager": {where: name}})
    assert kernel["id"] == "new" and kernel["last_activity"]


def test_jupyter_s_own_kernel_still_cannot():
    """Once it can, the course's own class is not needed any more."""
    with pytest.raises(Exception, match="last_activity"):
        listed({})
