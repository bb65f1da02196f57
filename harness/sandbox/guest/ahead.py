"""Inside: what a server imports before its runs are forked, from a list of our own."""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
from collections.abc import Iterable
from pathlib import Path

# Modules that take long and do nothing but define things. What else a file names, its runs import
# themselves, each for itself: this process is trusted, and a stranger's list must not run in it.
MODULES = {
    *("IPython", "IPython.display", "PIL", "PIL.Image", "matplotlib", "matplotlib.pyplot", "numpy"),
    *("pandas", "peft", "requests", "scipy", "scipy.linalg", "scipy.optimize", "scipy.sparse"),
    *("scipy.special", "scipy.stats", "seaborn", "sklearn", "sklearn.cluster"),
    *("sklearn.decomposition", "sklearn.ensemble", "sklearn.linear_model", "sklearn.metrics"),
    *("sklearn.model_selection", "sklearn.neighbors", "sklearn.preprocessing", "sklearn.svm"),
    *("sklearn.utils", "tabulate", "torch", "torch.amp", "torch.func", "torch.nn.functional"),
    *("torch.nn.init", "torch.nn.utils", "torch.nn.utils.parametrizations"),
    *("torch.nn.utils.parametrize", "torch.nn.utils.prune", "torch.optim"),
    *("torch.optim.lr_scheduler", "torch.optim.swa_utils", "torch.utils.data", "torchvision"),
    *("torchvision.datasets", "torchvision.models", "torchvision.transforms"),
    *("torchvision.transforms.functional", "torchvision.transforms.v2", "torchvision.utils"),
    *("tqdm", "tqdm.auto"),
}
_HANDLERS = {number: signal.getsignal(number) for number in signal.valid_signals()}


def import_for(names: Iterable[str]) -> None:
    """Import what is on the list of the modules that a file names, or of their parents."""
    for name in sorted({parent for name in names if (parent := _listed(name))}):
        # What cannot be imported is reported when the run tries to.
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    for number, handler in _HANDLERS.items():
        if handler is not None and signal.getsignal(number) != handler:
            signal.signal(number, handler)


def prove_clean() -> None:
    """That this process can be forked for strangers.

    Raises
    ------
    RuntimeError
        If it has more than one thread, or the GPU's driver has started, which no fork survives.
    """
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        with contextlib.suppress(OSError):  # the one that read the folder
            if os.readlink(f"/proc/self/fd/{name}").startswith("/dev/nvidia"):  # noqa: PTH115
                raise RuntimeError("CUDA has started in the process that forks the runs")
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1:
        raise RuntimeError(f"the process that forks the runs has {threads} threads")


def _listed(name: str) -> str:
    """The module, or the nearest of its parents, that is on the list."""
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name
