"""The kernel of notebooks: this interpreter with this library, whatever kernels and settings the user has."""

import json
import os
from pathlib import Path

from ipykernel.kernelspec import KERNEL_NAME, get_kernel_dict
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from traitlets import Unicode, default

from higgs_lib import environment
from higgs_lib.files import write_atomically


class Kernel(AsyncKernelManager):
    """Starts this interpreter as a kernel, with the environment of `environment.variables`."""

    settings = Unicode(help="the folder of its settings, and of the file that says how to reach it").tag(config=True)

    @default("kernel_spec_manager")
    def _this_interpreter(self) -> KernelSpecManager:
        return KernelSpecManager(kernel_dirs=[])  # then it knows no other kernel

    @default("connection_file")
    def _connection_file(self) -> str:
        return str(Path(self.settings, "connection.json"))  # the user's home may be read-only

    async def start_kernel(self, **options: object) -> None:
        """Starts the kernel, which ends when this process does."""
        await super().start_kernel(env=environment.variables(Path(self.settings)), **options)


def jupyter_variables(settings: Path) -> dict[str, str]:
    """Returns the environment variables of a Jupyter server whose notebooks run in this kernel.

    The server itself keeps the user's settings of Jupyter. `settings` is the folder of the kernel's settings.
    """
    with write_atomically(settings / "kernels" / KERNEL_NAME / "kernel.json") as path:
        path.write_text(json.dumps(get_kernel_dict(), indent=1))
    places = [str(settings.resolve()), *filter(None, [os.environ.get("JUPYTER_PATH")])]
    return environment.variables(settings.resolve()) | {"JUPYTER_PATH": os.pathsep.join(places)}
