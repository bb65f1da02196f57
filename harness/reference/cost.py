"""What a reference will cost on this machine, from a few steps measured on the spot."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from joblib import cpu_count

from harness.competition import Competition
from harness.data import Data
from harness.reference.pools import ORIGINAL, members, wanted
from harness.reference.training import AT_ONCE, plain_seconds, step_seconds


@dataclass(frozen=True)
class Estimate:
    """What a reference takes where nothing of it is cached.

    Attributes
    ----------
    runs, models, steps : int
        Runs of a submission, models of the reference, steps of training one.
    step_seconds : float
        One step of one model, on one core, where many are trained together.
    retrain_seconds : float
        One retraining as a submission would do it, on one core.
    """

    runs: int
    models: int
    steps: int
    step_seconds: float
    retrain_seconds: float

    @property
    def seconds(self) -> float:
        """Of the whole reference, on all cores."""
        return self.models * self.steps * self.step_seconds / cpu_count()


def estimate(competition: Competition, data: Data) -> Estimate:
    """What the reference would take here, from a few steps measured on the spot."""
    model, recipe = competition.model, competition.training
    part = {name: column[: 4 * recipe.batch_size] for name, column in data.retain.items()}
    scale = len(data.retain["label"]) / len(part["label"])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    step = step_seconds(model, recipe, part, AT_ONCE)
    plain = scale * plain_seconds(model, recipe, part)
    torch.set_num_threads(threads)
    models = sum(len(members(task)) for task in [(ORIGINAL, 0), *wanted(competition)])
    steps = recipe.epochs * -(-len(data.retain["label"]) // recipe.batch_size)
    return Estimate(competition.evaluation.runs, models, steps, step, plain)
