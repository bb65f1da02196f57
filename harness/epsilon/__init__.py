"""Epsilons: how well attackers tell unlearned models from retrained ones, example by example."""

from harness.epsilon import attackers, neurips2023
from harness.epsilon.confidences import confidences
from harness.epsilon.estimation import ForgettingQuality, forgetting_quality

# Part of every fingerprint and row; changes whenever a score could.
METRIC_VERSION = "2"

__all__ = [
    "METRIC_VERSION",
    "ForgettingQuality",
    "attackers",
    "confidences",
    "forgetting_quality",
    "neurips2023",
]
