"""The host's side: starts the zygote, asks for runs, and judges what comes back."""

from harness.sandbox.host.errors import SandboxError
from harness.sandbox.host.levels import isolation_level
from harness.sandbox.host.process import Process
from harness.sandbox.host.server import RunResult, Server
from harness.sandbox.host.servers import Inputs, Servers
from harness.sandbox.host.zygote import Zygote

__all__ = [
    "Inputs",
    "Process",
    "RunResult",
    "SandboxError",
    "Server",
    "Servers",
    "Zygote",
    "isolation_level",
]
