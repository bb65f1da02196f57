"""Estimates what a reference will cost on this machine from a few measured steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from joblib import cpu_count

from harness import data as datasets
from harness.competition import Competition
from harness.data import Data
from harness.device import device
from harness.reference import memorisation
from harness.reference.pools import ORIGINAL, check_model, members, wanted
from harness.reference.training import AT_ONCE, plain_seconds, step_seconds

FIRST_LOOK = 32  # runs
SLOW = 0.1  # seconds per step above which training models together gains nothing on a CPU


@dataclass(frozen=True)
class Estimate:
    """What a reference takes if nothing of it is cached.

    Attributes
    ----------
    runs, models, steps : int
        Runs of a submission, models of the reference, training steps of one model.
    step_seconds : float
        One step of one model when many train together, on one core or the GPU.
    retrain_seconds : float
        One retraining as a submission would do it, on one core or the GPU.
    """

    runs: int
    models: int
    steps: int
    step_seconds: float
    retrain_seconds: float

    @property
    def seconds(self) -> float:
        """Seconds of the whole reference, on all cores."""
        return self.models * self.steps * self.step_seconds / at_once()


def estimate(competition: Competition, data: Data) -> Estimate:
    """What the reference would take here, from a few steps measured now."""
    model, recipe = competition.model, competition.training
    part = {name: column[: 4 * recipe.batch_size] for name, column in data.retain.items()}
    scale = len(data.retain["label"]) / len(part["label"])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    step = step_seconds(model, recipe, part, 1)
    if step < SLOW or device().type == "cuda":
        step = step_seconds(model, recipe, part, AT_ONCE)
    plain = scale * plain_seconds(model, recipe, part)
    torch.set_num_threads(threads)
    models = sum(len(members(task)) for task in [(ORIGINAL, 0), *wanted(competition)])
    if competition.splits.forget.kind == "memorised":
        models += memorisation.MODELS // 2  # each trains on half of the examples
    steps = recipe.epochs * -(-len(data.retain["label"]) // recipe.batch_size)
    return Estimate(competition.evaluation.runs, models, steps, step, plain)


def dry_run(competition: Competition) -> Iterator[str]:
    """What the whole reference would cost here, line by line; nothing is trained to the end.

    Raises
    ------
    CompetitionError
        If the data, the splits or the model cannot be used.
    """
    splits = competition.splits
    if splits.forget.kind == "memorised":  # other examples cost the same, and are known
        splits = replace(splits, forget=replace(splits.forget, kind="random"))
    columns = datasets.read(competition.dataset, competition.data)
    data = datasets.divide(columns, splits)
    check_model(competition, data)
    yield from told(competition, estimate(competition, data))


def told(competition: Competition, cost: Estimate) -> Iterator[str]:
    """What reference and submissions will cost here, line by line."""
    where = "the GPU" if device().type == "cuda" else f"{cpu_count()} cores"
    yield (
        f"reference: {cost.models} models x {cost.steps} steps x {1000 * cost.step_seconds:.2g} ms "
        f"per step, measured here: about {duration(cost.seconds)} on {where}"
    )
    fraction = competition.evaluation.limits.retrain_fraction
    submission = cost.runs * fraction * cost.retrain_seconds / at_once()
    yield (
        f"each submission: {cost.runs} runs of at most {fraction:.0%} of a retraining, which "
        f"takes {duration(cost.retrain_seconds)}: up to about {duration(submission)}"
    )
    if (share := FIRST_LOOK / cost.runs) < 1:
        yield (
            f"for a first look, --runs {FIRST_LOOK}: about {duration(share * cost.seconds)}, and "
            f"{duration(share * submission)} per submission at most"
        )


def at_once() -> int:
    """How many trainings go on side by side; one fills a GPU."""
    return 1 if device().type == "cuda" else cpu_count()


def duration(seconds: float) -> str:
    """The seconds in words."""
    for unit, length in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 1.5 * length:
            return f"{seconds / length:.2g} {unit}"
    return f"{seconds:.2g} seconds"
