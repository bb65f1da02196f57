"""Inside a run: our own work is done as if the submission had changed no setting of the process."""

from __future__ import annotations

import contextlib
import signal
import sys
import warnings
from collections.abc import Iterator

import numpy as np
import torch

_DEEP = 10_000  # frames, whatever a file has set


@contextlib.contextmanager
def shielded() -> Iterator[None]:
    """Settings as they were at first; the submission's come back afterwards."""
    modes = _leave_modes()
    dtype, filters, depth = torch.get_default_dtype(), warnings.filters[:], sys.getrecursionlimit()
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    trace, profile = sys.gettrace(), sys.getprofile()
    sys.settrace(None)
    sys.setprofile(None)
    sys.setrecursionlimit(max(_DEEP, depth))
    warnings.simplefilter("ignore")
    torch.set_default_dtype(torch.float32)
    torch.use_deterministic_algorithms(False)
    try:
        with torch.inference_mode(False), torch.no_grad(), np.errstate(all="ignore"):
            yield
    finally:
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.set_default_dtype(dtype)
        warnings.filters[:] = filters  # type: ignore[index]
        warnings._filters_mutated()  # type: ignore[attr-defined]
        sys.setrecursionlimit(depth)
        sys.setprofile(profile)
        sys.settrace(trace)
        for mode in reversed(modes):
            torch.overrides._push_mode(mode)


def silence_signals() -> None:
    """No handler and no timer of a submission that is through interrupts what comes after it."""
    for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
        signal.setitimer(timer, 0)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_IGN)


def _leave_modes() -> list[torch.overrides.TorchFunctionMode]:
    """A default device is such a mode, left on top of a stack; and so is what a file entered."""
    stack = []
    while torch._C._len_torch_function_stack():
        stack.append(torch.overrides._pop_mode())
    return stack
