"""How a run can end, and whose fault each end is."""

from __future__ import annotations

import json
import signal
from collections.abc import Mapping
from typing import Any

from harness.sandbox.host.errors import SandboxError
from harness.sandbox.walls import policy
from harness.submission import VERDICTS, Verdict


class Unexplained(Verdict):
    """An end of which nobody knows whether the submission is to blame; a verdict if it recurs."""

    @property
    def verdict(self) -> Verdict:
        """What it is if it recurs."""
        return Verdict(self.status, self.message, self.output)


class NeverRan(SandboxError):
    """A run that was killed before the submission was touched."""


def check_end(report: Mapping[str, Any], seconds: float) -> None:
    """Raise what the end of a run's process means, unless it is a good one.

    Parameters
    ----------
    report : mapping
        The server's, which is trusted.
    seconds : float
        The limit of a run.
    """
    code, reason = report["exit"], report["reason"]
    if reason == "timeout":
        raise Verdict(reason, f"still running after {seconds:g} s, the limit of a run.")
    if reason == "out_of_memory":
        raise Verdict(reason, "its processes together took more.")
    if reason == "over_share":
        raise Verdict("out_of_memory", "the machine ran short, and it had more than its share.")
    if reason == "pressed":
        raise Unexplained("out_of_memory", "twice the machine ran short of memory beside it.")
    if reason == "left_processes":
        raise Verdict("sandbox_violation", "it left processes that fork faster than they end.")
    if reason:
        raise SandboxError(f"the run was {reason}")
    if code == -signal.SIGSYS:
        raise Verdict("sandbox_violation", "a system call that is not allowed.")
    if code == -signal.SIGKILL:
        raise Unexplained(
            "crashed",
            "killed twice by SIGKILL while it ran, and not by us: by a limit that it set "
            "itself, or by the kernel because the machine was out of memory.",
        )
    if code < 0:
        raise Verdict("crashed", f"killed by {_signal_name(-code)} while it ran.")
    if code > 0:
        raise Verdict("crashed", f"its process ended itself with exit status {code}.")


def reported(content: bytes | memoryview) -> Verdict:
    """The verdict that a run reported of itself; it can say nothing of others."""
    try:
        report = json.loads(bytes(content[: policy.REPORT_BYTES]))
        status, message = report["status"], report["message"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return Verdict("sandbox_violation", "a forged error report")
    if status not in VERDICTS or not isinstance(message, str):
        return Verdict("sandbox_violation", "a forged error report")
    if message.startswith(policy.GPU_TAKEN):
        return Unexplained(status, message)
    return Verdict(status, message)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
