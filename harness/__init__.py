"""Evaluation of machine unlearning: the Python interface (importing it does not import torch)."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "confidences": "harness.epsilon",
    "evaluate": "harness.evaluation",
    "forgetting_quality": "harness.epsilon",
    "neurips2023": "harness.epsilon",
}

__all__ = ["__version__", "confidences", "evaluate", "forgetting_quality", "neurips2023"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'harness' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
