"""A repair competition: its TOML file, parsed into frozen dataclasses and fingerprinted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.competition import (
    UNMADE,
    Limits,
    Model,
    Training,
    check_positive,
    check_recipe,
    check_walls,
)
from harness.sources import CompetitionError, find, read
from harness.tables import fingerprint, parse

MIN_SEEDS = 2  # as an interval needs
YARDSTICK = "retrain"  # the treatment that seconds are measured by


@dataclass(frozen=True)
class Splits:
    """How many examples each split has, drawn at random; the others are the test set.

    Attributes
    ----------
    seed : int
    train : int
        Examples that the model is trained on, some with wrong labels.
    query : int
        Examples among which we look for the model's mistakes.
    validation : int
        Examples with their true labels, for the participant's own use.
    """

    seed: int
    train: int
    query: int
    validation: int


@dataclass(frozen=True)
class Flips:
    """Wrong labels: this share of the training set gets one of the other classes, evenly."""

    share: float


@dataclass(frozen=True)
class Evaluation:
    """How identifiers and treatments are run and judged.

    Attributes
    ----------
    seeds : int
        Repetitions, each with flips and an original model of its own.
    forget : int
        K: how many training examples, the most to blame first, become the forget set.
    treatments : tuple of str
        Stems of files in `submissions/`.
    require_isolation : {"none", "partial", "full"}
        The least isolation level to accept.
    limits : Limits
        Those of a run.
    """

    seeds: int
    forget: int
    treatments: tuple[str, ...]
    require_isolation: str = "none"
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class RepairCompetition:
    """Everything that a repair depends on, except the data itself and the submissions."""

    name: str
    dataset: str
    splits: Splits
    flips: Flips
    model: Model
    training: Training
    evaluation: Evaluation
    data: dict[str, Any] = field(default_factory=dict)

    def fingerprint(self, data_checksum: str) -> str:
        """A name for what is trained on this data with these flips by this recipe."""
        return fingerprint(self, UNMADE, data_checksum)


def load(name: str) -> RepairCompetition:
    """Read a repair competition.

    Parameters
    ----------
    name : str
        A name in `reference/`, or the path of a TOML file.

    Raises
    ------
    CompetitionError
        If the file is missing or is not TOML, if a key is unknown or missing, or if a value is
        impossible.
    """
    path = find(name)
    content = {"name": path.stem} | read(path)
    try:
        return _check(parse(RepairCompetition, content))
    except ValueError as error:
        raise CompetitionError(f"{path}: {error}") from None


def _check(competition: RepairCompetition) -> RepairCompetition:
    splits, evaluation = competition.splits, competition.evaluation
    check_recipe(competition.training)
    check_walls(evaluation.require_isolation, evaluation.limits)
    sizes = ("train", "query", "validation")
    check_positive({f"splits.{key}": getattr(splits, key) for key in sizes})
    check_positive({"evaluation.forget": evaluation.forget})
    if splits.seed < 0:
        raise CompetitionError(f"splits.seed = {splits.seed} cannot be negative")
    if not 0 < competition.flips.share < 1:
        raise CompetitionError(f"flips.share = {competition.flips.share:g} must lie in (0, 1)")
    if evaluation.seeds < MIN_SEEDS:
        raise CompetitionError(
            f"evaluation.seeds = {evaluation.seeds}: an interval needs at least {MIN_SEEDS}"
        )
    if YARDSTICK not in evaluation.treatments:
        raise CompetitionError(
            f"evaluation.treatments lacks {YARDSTICK!r}, by which the others' time is measured"
        )
    if 2 * evaluation.forget > splits.train:
        raise CompetitionError(
            f"evaluation.forget = {evaluation.forget} is more than half of the {splits.train} "
            "training examples; choose a smaller one, so that enough is left to train on"
        )
    return competition
