"""The device that models are trained and evaluated on, and how many of them fit."""

from __future__ import annotations

import contextlib
import functools
import gc
import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

from harness import exhaustion
from harness.competition import CompetitionError

CONTEXT_MB = 600  # GPU memory that CUDA takes for each process, besides the process's own tensors

_GPU = threading.Lock()
_Result = TypeVar("_Result")


@functools.cache
def device() -> torch.device:
    """The GPU if there is one, else the CPU.

    Raises
    ------
    CompetitionError
        If there is one that torch could use, and cannot.
    """
    if torch.cuda.is_available():
        return torch.device("cuda")
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    there = any(Path("/dev").glob("nvidia[0-9]*"))
    if there and torch.version.cuda and chosen not in ("", "-1"):
        raise CompetitionError(
            f"there is an NVIDIA GPU, but torch cannot use it: {_why()}. Mend that, or set "
            "CUDA_VISIBLE_DEVICES= to work on the CPU"
        )
    return torch.device("cpu")


def _why() -> str:
    """What torch says of a GPU that it cannot use: no driver, an old one, or a wrong choice."""
    try:
        torch.cuda.init()
    except Exception as error:
        return str(error).splitlines()[0].rstrip(".")
    return "it finds none"


def gpus() -> list[str]:
    """Each GPU that torch sees, as CUDA_VISIBLE_DEVICES names it."""
    count = torch.cuda.device_count()
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = chosen.split(",") if chosen else map(str, range(count))
    return [name.strip() for name in names][:count]


def alone() -> contextlib.AbstractContextManager:
    """While one thread of a process fills the GPU with models, the others wait."""
    return _GPU if device().type == "cuda" else contextlib.nullcontext()


def let_go() -> None:
    """Give back what GPU memory this process keeps for later: others may need it now."""
    if device().type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()


def peak_mb(work: Callable[[], object]) -> int:
    """What GPU memory `work` takes at its peak, in MiB; 0 without a GPU, where it is not done."""
    if device().type != "cuda":
        return 0
    let_go()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_reserved()
    work()
    return (torch.cuda.max_memory_reserved() - before) >> 20


def places(memory_mb: int, reserve_mb: int = 0) -> list[str]:
    """A GPU for each process that fits at one time, so that the first few use all GPUs alike.

    Parameters
    ----------
    memory_mb : int
        GPU memory of a process, besides what CUDA takes.
    reserve_mb : int
        What this process needs meanwhile, on the first GPU.

    Returns
    -------
    list of str
        Names as in `gpus`; empty without a GPU.

    Raises
    ------
    CompetitionError
        If not even one fits.
    """
    if device().type != "cuda":
        return []
    let_go()
    each = memory_mb + CONTEXT_MB
    names = gpus()
    free = [torch.cuda.mem_get_info(number)[0] >> 20 for number in range(len(names))]
    free[0] -= reserve_mb
    room = [mb // each for mb in free]
    if max(room) < 1:
        raise CompetitionError(
            f"the GPU has {max(free)} MiB free, a run may need {memory_mb} and {CONTEXT_MB} for "
            "CUDA: free some, or lower evaluation.limits.gpu_memory_mb"
        )
    return [
        name
        for turn in range(max(room))
        for name, fits in zip(names, room, strict=True)
        if turn < fits
    ]


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
    except RuntimeError as error:
        if not exhaustion.of_gpu(error):
            raise
        if len(models) == 1:
            raise CompetitionError(
                f"the GPU's memory is too small for one model ({error}): lower "
                "training.batch_size, choose a smaller model or images, or free some of it"
            ) from error
    # Outside the handler, because its traceback would keep the tensors alive.
    let_go()
    half = len(models) // 2
    return as_many_as_fit(work, models[:half]) + as_many_as_fit(work, models[half:])
