"""Whether an error says that the GPU's memory has run out, of which torch has several kinds."""

from __future__ import annotations

import re

import torch

# CUDA's own, by way of torch.AcceleratorError, and those of cuBLAS, cuDNN, cuSOLVER, cuFFT, cuRAND.
_SIGNS = re.compile(r"CUDA error: out of memory|CU[A-Z]+_[A-Z_]*ALLOC[A-Z]*_FAILED")


def of_gpu(error: BaseException) -> bool:
    """Whether the GPU refused an allocation; memory of the host's is another matter."""
    if isinstance(error, torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and _SIGNS.search(str(error)) is not None
