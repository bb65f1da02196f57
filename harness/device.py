"""The device that models are trained and evaluated on, and how many of them fit."""

from __future__ import annotations

import contextlib
import gc
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

from harness.competition import CompetitionError

CONTEXT_MB = 600  # GPU memory that CUDA takes for each process, besides the process's own tensors

_GPU = threading.Lock()
_Result = TypeVar("_Result")


def device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def alone() -> contextlib.AbstractContextManager:
    """While one thread of a process fills the GPU with models, the others wait."""
    return _GPU if device().type == "cuda" else contextlib.nullcontext()


def sharing(memory_mb: int) -> int | None:
    """How many processes with so much GPU memory each fit at a time; None without a GPU.

    Raises
    ------
    CompetitionError
        If not even one does.
    """
    if device().type != "cuda":
        return None
    gc.collect()
    torch.cuda.empty_cache()  # what this process keeps from its own training is free for them
    free = torch.cuda.mem_get_info()[0] >> 20
    if free < memory_mb + CONTEXT_MB:
        raise CompetitionError(
            f"the GPU has {free} MiB free, a run may need {memory_mb} and {CONTEXT_MB} for CUDA: "
            "free some, or lower evaluation.limits.gpu_memory_mb"
        )
    return free // (memory_mb + CONTEXT_MB)


def as_many_as_fit(
    work: Callable[[Sequence[Any]], _Result], models: Sequence[Any]
) -> list[_Result]:
    """Do `work` on all models at once, or on half as many at a time when GPU memory runs out.

    Raises
    ------
    CompetitionError
        If the memory is too small even for one model.
    """
    try:
        return [work(models)]
    except torch.OutOfMemoryError as error:
        if len(models) == 1:
            raise CompetitionError(
                f"the GPU's memory is too small for one model ({error}): lower "
                "training.batch_size, choose a smaller model or images, or free some of it"
            ) from error
    # Outside the handler, because its traceback would keep the tensors alive.
    torch.cuda.empty_cache()
    half = len(models) // 2
    return as_many_as_fit(work, models[:half]) + as_many_as_fit(work, models[half:])
