"""Epsilons: how well attackers tell unlearned models from retrained ones, example by example."""

from harness.epsilon import attackers, neurips2023
from harness.epsilon.calibration import Calibration, calibrated, calibration
from harness.epsilon.confidences import confidences
from harness.epsilon.estimation import ForgettingQuality, forgetting_quality

# Part of every fingerprint and row; changes whenever a score could.
METRIC_VERSION = "3"

__all__ = [
    "METRIC_VERSION",
    "Calibration",
    "ForgettingQuality",
    "attackers",
    "calibrated",
    "calibration",
    "confidences",
    "forgetting_quality",
    "neurips2023",
]
