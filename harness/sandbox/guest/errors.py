"""Inside a run: what is said of the error that ended it, and how to mend it."""

from __future__ import annotations

import sys
import traceback
from types import ModuleType

import torch
from torch import nn
from torch.utils.data import Dataset

from harness import exhaustion
from harness.sandbox.guest import remedies
from harness.sandbox.guest.traces import shown as traced
from harness.sandbox.walls.policy import GPU_REFUSED, GPU_TAKEN


class Fault(Exception):
    """A fault of the submission: a verdict's status and message."""


def describe(error: BaseException, filename: str) -> tuple[str, str]:
    """The verdict's status and message for what ended the run."""
    if isinstance(error, Fault):
        return error.args
    shown = traced(error, filename)
    if isinstance(error, SystemExit):
        why = f"{filename} called sys.exit({error.code!r}) instead of returning."
        if _reads_arguments(error):
            why = (
                "argparse ended it: nothing is passed on a command line where submissions are run. "
                "Give every argument a default, or write the values into the file."
            )
        return "crashed", f"{shown}\n{why}"
    if exhaustion.of_gpu(error):
        return "out_of_memory", f"{GPU_TAKEN if _others_took() else GPU_REFUSED}.\n{shown}"
    if isinstance(error, MemoryError) or (
        isinstance(error, RuntimeError) and "DefaultCPUAllocator" in str(error)
    ):
        return "out_of_memory", (
            f"an allocation was refused.\n{shown}\nUse smaller batches, and keep `loss.item()` "
            "instead of `loss`, whose graph stays in memory."
        )
    if isinstance(error, ModuleNotFoundError):
        return "invalid_submission", (
            f"the module {error.name!r} is not installed where submissions are run. If it is your "
            "own, put what you need of it into the submission, which is one file; else do without "
            f"it, or ask the host to install it.\n{shown}"
        )
    if isinstance(error, ImportError) and "attempted relative import" in shown:
        return "invalid_submission", (
            "a submission is one file: put what you need of your own modules into it, in the place "
            f"of the relative import.\n{shown}"
        )
    return "crashed", f"{shown}\n{_hint(error, shown)}".strip()


def _others_took() -> bool:
    """Whether the GPU has less left for this run than it was promised."""
    if not torch.cuda.is_initialized():
        return False
    try:
        free, total = torch.cuda.mem_get_info()
        share = torch.cuda.get_per_process_memory_fraction() * total
        return free < share - torch.cuda.memory_reserved()
    except RuntimeError:  # the GPU says nothing any more
        return False


def _hint(error: BaseException, shown: str) -> str:
    """What to mend, where what the error says itself would lead astray."""
    try:
        if isinstance(error, AttributeError) and isinstance(error.obj, nn.Module):
            layers = ", ".join(name for name, _ in error.obj.named_children())
            return f"A {type(error.obj).__name__} has the layers {layers}." if layers else ""
        if isinstance(error, AttributeError) and isinstance(error.obj, Dataset):
            return (
                "The dataset of a loader has examples alone: ask them for their labels, as in "
                "`[label for _, label in loader.dataset]`."
            )
        if _is_newer(error):
            version = f"{sys.version_info.major}.{sys.version_info.minor}"
            return f"Submissions are run by Python {version} here, whose library lacks that."
        if isinstance(error, OSError) and error.errno in remedies.OF_ERRNO:
            return remedies.OF_ERRNO[error.errno]
    except Exception:  # what it refers to may be anything
        return ""
    return remedies.of_text(shown)


def _is_newer(error: BaseException) -> bool:
    """Whether it asks a module of the standard library for what only a newer Python has."""
    name = None
    if isinstance(error, ImportError):
        name = error.name
    elif isinstance(error, AttributeError) and isinstance(error.obj, ModuleType):
        name = error.obj.__name__
    return name is not None and name.partition(".")[0] in sys.stdlib_module_names


def _reads_arguments(error: BaseException) -> bool:
    """Whether argparse raised it."""
    frames = (frame for frame, _ in traceback.walk_tb(error.__traceback__))
    return any(frame.f_globals.get("__name__") == "argparse" for frame in frames)
