"""Evaluation of machine unlearning: the Python interface (importing it does not import torch)."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # what a type checker sees of the names below
    from harness.epsilon import confidences, forgetting_quality, neurips2023
    from harness.evaluation import evaluate
    from harness.external import score

__version__ = "0.1.0"

_HOMES = {
    "confidences": "harness.epsilon",
    "evaluate": "harness.evaluation",
    "forgetting_quality": "harness.epsilon",
    "neurips2023": "harness.epsilon",
    "score": "harness.external",
}

__all__ = ["__version__", "confidences", "evaluate", "forgetting_quality", "neurips2023", "score"]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
