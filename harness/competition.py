"""A competition: its TOML file, parsed into frozen dataclasses and fingerprinted."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import asdict, dataclass, field, fields, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

PACKAGED = Path(__file__).parent.parent / "reference"
LEVELS = ("none", "partial", "full")
MIN_RUNS = 10  # the attackers' cross-validation needs two models a fold in each pool


class CompetitionError(ValueError):
    """The competition's file or data is wrong; the message says where and how to mend it."""


@dataclass(frozen=True)
class Forget:
    """The forget set: `count` consecutive examples from `start` on."""

    start: int
    count: int


@dataclass(frozen=True)
class Splits:
    """How the data is divided; what is neither forget, retain nor validation is the test set."""

    seed: int
    retain: int
    validation: int
    forget: Forget


@dataclass(frozen=True)
class Model:
    """The architecture's name in `harness.models`, and its arguments."""

    architecture: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Training:
    """The recipe of the original and of every retrained model: AdamW, cosine to zero."""

    seed: int
    epochs: int
    batch_size: int
    learning_rate: float
    weight_decay: float


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
    processes : int
        Processes and threads of a run.
    output_kb : int
        What is kept of a run's prints, in KiB.
    retrain_fraction : float
        Mean seconds of a run over the seconds of one retraining, above which a row is flagged.
    """

    seconds: float = 60.0
    total_seconds: float = 7200.0
    memory_mb: int = 2048
    scratch_mb: int = 256
    processes: int = 128
    output_kb: int = 256
    retrain_fraction: float = 0.2


@dataclass(frozen=True)
class Evaluation:
    """How submissions are run and scored."""

    runs: int = 512
    delta: float = 1e-5
    attackers: tuple[str, ...] = ()
    require_isolation: str = "none"
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Competition:
    """Everything that an evaluation depends on, but for the data itself.

    Attributes
    ----------
    name : str
        The file's stem, which names the results' folder.
    dataset : str
        A name in `harness.data`.
    """

    name: str
    dataset: str
    splits: Splits
    model: Model
    training: Training
    evaluation: Evaluation

    def fingerprint(self, data_checksum: str, metric_version: str) -> str:
        """Names every artefact made from this data, these splits, this recipe, this metric."""
        content = asdict(self)
        # Neither changes the reference; results say by themselves what they were run under.
        del content["evaluation"], content["name"]
        text = json.dumps([content, data_checksum, metric_version], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def find(name: str) -> Path:
    """The TOML of a competition: a path, or a name in `reference/` here or in the package."""
    if name.endswith(".toml"):
        return Path(name)
    places = [Path("reference"), PACKAGED]
    for place in places:
        if (path := place / f"{name}.toml").is_file():
            return path
    known = sorted({path.stem for place in places for path in place.glob("*.toml")})
    nearest = "".join(f" did you mean {n!r}?" for n in get_close_matches(name, known, 1))
    raise CompetitionError(f"no competition {name!r};{nearest} there are: {', '.join(known)}")


def load(name: str, runs: int | None = None, require_isolation: str | None = None) -> Competition:
    """Read a competition.

    Parameters
    ----------
    name : str
        A name in `reference/`, or the path of a TOML file.
    runs, require_isolation : optional
        What stands in the place of the competition's own.

    Raises
    ------
    CompetitionError
        If the file is missing, is not TOML, has an unknown key, lacks one, or holds a value
        that makes no sense.
    """
    path = find(name)
    content = _read(path)
    asked = {"runs": runs, "require_isolation": require_isolation}
    try:
        competition = _parse(Competition, {"name": path.stem} | content, "")
        evaluation = replace(
            competition.evaluation,
            **{key: value for key, value in asked.items() if value is not None},  # type: ignore[arg-type]
        )
        return _check(replace(competition, evaluation=evaluation))
    except CompetitionError as error:
        raise CompetitionError(f"{path}: {error}") from None


def _read(path: Path) -> dict[str, Any]:
    """The content of a TOML file, over that of the competition which it `extends`."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CompetitionError(f"{path}: no such file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CompetitionError(f"{path} is not TOML: {error}") from None
    if "extends" not in content:
        return content
    base = find(str(content.pop("extends")))
    if base.exists() and base.samefile(path):
        raise CompetitionError(f"{path} extends itself")
    return _over(_read(base), content)


def _over(base: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    """`content` where it says something, `base` elsewhere; tables are merged, values replaced."""
    merged = base | content
    for key in base.keys() & content.keys():
        if isinstance(base[key], dict) and isinstance(content[key], dict):
            merged[key] = _over(base[key], content[key])
    return merged


_T = TypeVar("_T")
_NESTED: dict[str, type] = {
    "splits": Splits,
    "forget": Forget,
    "model": Model,
    "training": Training,
    "evaluation": Evaluation,
    "limits": Limits,
}
_SCALARS: dict[str, tuple[type, ...]] = {
    "str": (str,),
    "int": (int,),
    "float": (int, float),
    "dict[str, Any]": (dict,),
    "tuple[str, ...]": (list,),
}


def _parse(cls: type[_T], table: Any, where: str) -> _T:
    """The dataclass `cls` from a TOML table; types are checked against its annotations."""
    if not isinstance(table, dict):
        raise CompetitionError(f"[{where}] has to be a table")
    types = {f.name: str(f.type) for f in fields(cls)}  # type: ignore[arg-type]
    if unknown := sorted(set(table) - set(types)):
        raise CompetitionError(
            f"unknown key {_key(where, unknown[0])}; known here: {', '.join(types)}"
        )
    values: dict[str, Any] = {}
    for name, value in table.items():
        if name in _NESTED:
            values[name] = _parse(_NESTED[name], value, _key(where, name))
        elif isinstance(value, bool) or not isinstance(value, _SCALARS[types[name]]):
            raise CompetitionError(f"{_key(where, name)} = {value!r} should be {types[name]}")
        else:
            values[name] = tuple(value) if isinstance(value, list) else value
    try:
        return cls(**values)
    except TypeError as error:
        raise CompetitionError(
            f"[{where or 'top level'}]: {error}".replace("__init__() ", "")
        ) from None


def _key(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _check(competition: Competition) -> Competition:
    """Values that no competition can have."""
    splits, training, evaluation = (
        competition.splits,
        competition.training,
        competition.evaluation,
    )
    positive = {
        "splits.retain": splits.retain,
        "splits.validation": splits.validation,
        "splits.forget.count": splits.forget.count,
        "training.epochs": training.epochs,
        "training.batch_size": training.batch_size,
        "training.learning_rate": training.learning_rate,
        "evaluation.runs": evaluation.runs,
    } | {f"evaluation.limits.{k}": v for k, v in asdict(evaluation.limits).items()}
    for key, value in positive.items():
        if value <= 0:
            raise CompetitionError(f"{key} = {value} has to be positive")
    for key, value in {
        "splits.seed": splits.seed,
        "splits.forget.start": splits.forget.start,
        "training.seed": training.seed,
        "training.weight_decay": training.weight_decay,
    }.items():
        if value < 0:
            raise CompetitionError(f"{key} = {value} cannot be negative")
    if evaluation.runs < MIN_RUNS:
        raise CompetitionError(
            f"evaluation.runs = {evaluation.runs}: with fewer than {MIN_RUNS} models a pool "
            "no attacker can be told from chance"
        )
    if not 0 < evaluation.delta < 1:
        raise CompetitionError(f"evaluation.delta = {evaluation.delta} has to lie in (0, 1)")
    if evaluation.require_isolation not in LEVELS:
        raise CompetitionError(
            f"evaluation.require_isolation = {evaluation.require_isolation!r} is none of "
            f"{', '.join(LEVELS)}"
        )
    return competition
