"""Runs a stranger's file: behind walls, within limits, and with an answer that can be trusted."""

from harness.sandbox.errors import SandboxError
from harness.sandbox.levels import isolation_level
from harness.sandbox.parent import WarmParent
from harness.sandbox.process import Guest
from harness.sandbox.sandbox import RunResult, Sandbox

__all__ = ["Guest", "RunResult", "Sandbox", "SandboxError", "WarmParent", "isolation_level"]
