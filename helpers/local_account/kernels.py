"""A kernel as Jupyter's server keeps it, listed without error from its first moment."""

from datetime import UTC, datetime

from jupyter_server.services.kernels.kernelmanager import ServerKernelManager
from traitlets import default


class Kernel(ServerKernelManager):
    """A kernel that was active when it was made.

    Jupyter's server notes the first activity only a moment after it lists the kernel. A browser that asks for the list
    in this moment gets an error 500 (jupyter_server 2: `last_activity` expected a datetime, not None).
    """

    @default("last_activity")
    def _made(self):
        return datetime.now(UTC)
