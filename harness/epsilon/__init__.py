"""Epsilons: how well attackers tell unlearned models from retrained ones, example by example."""

from harness.epsilon import neurips2023
from harness.epsilon.confidences import confidences

# Part of every fingerprint and row; changes whenever a score could.
METRIC_VERSION = "1"

__all__ = ["METRIC_VERSION", "confidences", "neurips2023"]
