"""A competition: its TOML file, parsed into frozen dataclasses and fingerprinted."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from harness.rules import Rules
from harness.sources import PACKAGED, CompetitionError, find, read
from harness.tables import fingerprint, parse, stated

__all__ = ["PACKAGED", "CompetitionError", "find"]
LEVELS = ("none", "partial", "full")
# Nothing is made from these: results record how they were evaluated, and a checksum covers `data`.
UNMADE = ("evaluation", "name", "data", "teams")
OVER_LIMIT = ("mark", "apart", "refuse")
MIN_RUNS = 10  # the attackers' cross-validation needs two models per fold in each pool

# The keys that may choose each kind of forget set.
FORGET_KINDS: dict[str, list[set[str]]] = {
    "block": [{"start", "count"}],
    "random": [{"share"}, {"count"}],
    "class": [{"label"}, {"label", "share"}, {"label", "count"}],
    "identities": [{"share"}, {"count"}, {"start", "count"}],
    "memorised": [{"share"}, {"count"}],
    "indices": [{"indices"}],
}
OPTIMIZERS = ("adamw", "adam", "sgd")


@dataclass(frozen=True)
class Forget:
    """Which training examples are the forget set.

    Attributes
    ----------
    kind : str
        "block": `count` consecutive examples from `start` on. "random": a `share` of the examples,
        or `count` of them. "class": those with this `label`, or so many of them. "identities":
        all examples of a share of the identities, or of `count` of them: drawn at random, or
        consecutive ones if there is a `start`. "memorised": the share of the examples, or the
        `count` of them, that models memorise most. "indices": those with these numbers.
    start, count, label : int, optional
    share : float, optional
        Above 0, at most 1.
    indices : sequence of int, or str
        Places in the dataset, or a `.npy` file of them.
    """

    kind: str = "block"
    start: int | None = None
    count: int | None = None
    share: float | None = None
    label: int | None = None
    indices: tuple[int, ...] | str = ()


@dataclass(frozen=True)
class Splits:
    """How the data is divided; what is neither forget, retain nor validation is the test set.

    Attributes
    ----------
    seed : int
    forget : Forget
    retain, validation : int or float
        The number of examples; below 1, the share of those that are not to be forgotten. If the
        data has identities, a split takes whole ones until it has at least as many.
    published : bool
        Divide as the publishers of the dataset did, instead of by the two above. The retain set
        is their training set without what is forgotten.
    """

    seed: int
    forget: Forget
    retain: int | float = 0
    validation: int | float = 0
    published: bool = False


@dataclass(frozen=True)
class Model:
    """An architecture as `harness.models.build` takes it, and its arguments."""

    architecture: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Training:
    """The recipe of the original and of every retrained model; the rate falls to 0 by a cosine.

    Attributes
    ----------
    seed, epochs, batch_size : int
    learning_rate, weight_decay : float
    optimizer : {"adamw", "adam", "sgd"}
        The last with momentum 0.9; the last two with the weight decay in their gradients.
    class_weighted : bool
        Whether all classes weigh the same, however few examples they have.
    bfloat16 : bool
        Whether the forward and backward passes use bfloat16 where torch's autocast finds it safe,
        which is faster on a GPU. Weights stay float32.
    """

    seed: int
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float
    optimizer: str = "adamw"
    class_weighted: bool = False
    bfloat16: bool = False


@dataclass(frozen=True)
class Limits:
    """What one run may use, and the submission's runs together.

    Attributes
    ----------
    seconds : float
        Wall time of a run, from when the child is ready to load the submission.
    total_seconds : float
        Wall time of all the runs of a submission.
    memory_mb, scratch_mb : int
        Memory of a run's processes together, and of its scratch directory, in MiB.
    gpu_memory_mb : int
        GPU memory of a run, in MiB. As many runs go at a time as fit.
    processes : int
        Processes and threads of a run.
    output_kb : int
        How much of a run's prints is kept, in KiB.
    submission_kb : int
        How much Python a submission may hold, in KiB: stored models, replayed, would score well.
    retrain_fraction : float
        Mean seconds of a run over the seconds of one retraining, above which a row is slow.
    over_limit : {"mark", "apart", "refuse"}
        What becomes of a slow row: it is flagged; it is flagged, and stands without a rank below
        all that have one; or it gets the verdict `timeout` in the place of a score.
    """

    seconds: float = 60.0
    total_seconds: float = 7200.0
    memory_mb: int = 2048
    scratch_mb: int = 256
    gpu_memory_mb: int = 4096
    processes: int = 128
    output_kb: int = 256
    submission_kb: int = 256
    retrain_fraction: float = 0.2
    over_limit: str = "mark"


@dataclass(frozen=True)
class Evaluation:
    """How submissions are run and scored; `keep_weights` keeps the weights of every run."""

    runs: int = 512
    delta: float = 1e-5
    attackers: tuple[str, ...] = ()
    require_isolation: str = "none"
    keep_weights: bool = False
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Competition:
    """Everything that an evaluation depends on, except the data itself.

    Attributes
    ----------
    name : str
        The file's stem, which names the results' folder.
    dataset : str
        A name in `harness.data`.
    data : dict
        What that dataset takes: its folder, the size of its images.
    teams : Rules
    """

    name: str
    dataset: str
    splits: Splits
    model: Model
    training: Training
    evaluation: Evaluation
    data: dict[str, Any] = field(default_factory=dict)
    teams: Rules = field(default_factory=Rules)

    def fingerprint(self, data_checksum: str, metric_version: str) -> str:
        """Names every artefact made from this data, these splits, this recipe, this metric."""
        return fingerprint(self, UNMADE, data_checksum, metric_version)


def load(name: str, runs: int | None = None, require_isolation: str | None = None) -> Competition:
    """Read a competition.

    Parameters
    ----------
    name : str
        A name in `reference/`, or the path of a TOML file.
    runs, require_isolation : optional
        Replace the competition's own.

    Raises
    ------
    CompetitionError
        If the file is missing or is not TOML, or a key or a value is wrong.
    """
    path = find(name)
    content = read(path)
    asked = {"runs": runs, "require_isolation": require_isolation}
    try:
        competition = parse(Competition, {"name": path.stem} | content)
        evaluation = replace(
            competition.evaluation,
            **{key: value for key, value in asked.items() if value is not None},  # type: ignore[arg-type]
        )
        return _check(replace(competition, evaluation=evaluation))
    except ValueError as error:
        raise CompetitionError(f"{path}: {error}") from None


def is_repair(name: str) -> bool:
    """Whether a competition is of the repair track; not if its file is gone."""
    try:
        return "flips" in read(find(name))
    except CompetitionError:
        return False


def _check(competition: Competition) -> Competition:
    """Raise a CompetitionError for values that no competition can have."""
    evaluation = competition.evaluation
    _check_splits(competition.splits)
    check_recipe(competition.training)
    check_walls(evaluation.require_isolation, evaluation.limits)
    if evaluation.runs < MIN_RUNS:
        raise CompetitionError(
            f"evaluation.runs = {evaluation.runs}: with fewer than {MIN_RUNS} models per pool "
            "no attacker is distinguishable from chance"
        )
    if not 0 < evaluation.delta < 1:
        raise CompetitionError(f"evaluation.delta = {evaluation.delta} must lie in (0, 1)")
    return competition


def check_recipe(training: Training) -> None:
    """Raise a CompetitionError if nothing can be trained by this recipe."""
    steps = ("epochs", "batch_size", "learning_rate")
    check_positive({f"training.{key}": getattr(training, key) for key in steps})
    for key in ("seed", "weight_decay"):
        if (value := getattr(training, key)) < 0:
            raise CompetitionError(f"training.{key} = {value} cannot be negative")
    _check_choice("training.optimizer", training.optimizer, OPTIMIZERS)


def check_walls(require_isolation: str, limits: Limits) -> None:
    """Raise a CompetitionError for an unknown isolation level, or limits that allow nothing."""
    numbers = {key: value for key, value in asdict(limits).items() if key != "over_limit"}
    check_positive({f"evaluation.limits.{key}": value for key, value in numbers.items()})
    _check_choice("evaluation.limits.over_limit", limits.over_limit, OVER_LIMIT)
    _check_choice("evaluation.require_isolation", require_isolation, LEVELS)


def check_positive(values: Mapping[str, float]) -> None:
    """Raise a CompetitionError that names the first value not above zero."""
    for key, value in values.items():
        if not value > 0:  # a NaN is not, either
            raise CompetitionError(f"{key} = {value:g} must be positive")


def _check_choice(key: str, value: str, choices: Collection[str]) -> None:
    if value not in choices:
        raise CompetitionError(f"{key} = {value!r} is none of {', '.join(choices)}")


def _check_splits(splits: Splits) -> None:
    forget = splits.forget
    amounts = {"splits.retain": splits.retain, "splits.validation": splits.validation}
    for key, value in amounts.items():
        if splits.published and value:
            raise CompetitionError(f"{key} and splits.published exclude each other; leave one out")
        if not splits.published and value <= 0:
            raise CompetitionError(f"{key} = {value:g} must be positive")
        if value >= 1 and value != int(value):
            raise CompetitionError(f"{key} = {value} should be an int, or a share below 1")
    for key in ("start", "label"):
        if (value := getattr(forget, key) or 0) < 0:
            raise CompetitionError(f"splits.forget.{key} = {value} cannot be negative")
    if splits.seed < 0:
        raise CompetitionError(f"splits.seed = {splits.seed} cannot be negative")
    if forget.count is not None:
        check_positive({"splits.forget.count": forget.count})
    if forget.share is not None and not 0 < forget.share <= 1:
        raise CompetitionError(f"splits.forget.share = {forget.share} must lie in (0, 1]")
    _check_choice("splits.forget.kind", forget.kind, FORGET_KINDS)
    needed = FORGET_KINDS[forget.kind]
    if stated(forget).keys() - {"kind"} not in needed:
        choices = "; or ".join(" and ".join(sorted(keys)) for keys in needed)
        raise CompetitionError(f"splits.forget of kind {forget.kind!r} takes {choices}")
