"""Where a submission would stand, as far as a first look tells: its flags and its neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from math import hypot, log

from harness.check.findings import Finding
from harness.columns import COLUMNS, Row
from harness.diagnostics import Flag

# Flags that say again what two runs have shown already.
_SAME = {"identical_runs": {"seeds", "weights"}, "utility_below_floor": {"test accuracy"}}
_LEAST = 1e-9  # of scores, so that they have a logarithm


def too_long(seconds: float) -> Finding:
    """Why there is no first look."""
    return Finding(
        "first look",
        f"not taken, as it would take about {seconds / 60:.0f} min; an evaluation of few runs is "
        "one",
    )


def flags(raised: Sequence[Flag], warned: Set[str]) -> Iterator[Finding]:
    """The flags that were raised, without those whose topic was warned of."""
    for name, explanation in raised:
        if not _SAME.get(name, set()) & warned:
            yield Finding(f"flag {name}", explanation, warns=True)


def place(row: Row, rivals: Sequence[Row]) -> Iterator[Finding]:
    """The score so far, and the nearest rows that are surely better and surely worse.

    Parameters
    ----------
    row : Row
    rivals : list of Row
        Others of as many runs, with scores.
    """
    yield Finding(
        "first look",
        f"{row.runs} runs score {_figures(row)}; retraining scores 1. Scores of other numbers of "
        "runs are on other scales.",
    )
    if row.at_floor:
        yield Finding("first look", "attackers recognise nearly all of these models")
    if not rivals:
        yield Finding("first look", f"no row of {row.runs} runs is known to compare it with")
        return
    better, worse = apart(row, rivals)
    parts = [f"below {_named(min(better, key=_score))}"] if better else []
    parts += [f"above {_named(max(worse, key=_score))}"] if worse else []
    if parts:
        yield Finding("first look", f"it stands {' and '.join(parts)}")
    if same := len(rivals) - len(better) - len(worse):
        yield Finding(
            "first look", f"{same} of the {len(rivals)} known rows cannot be told from it yet"
        )


def apart(row: Row, rivals: Sequence[Row]) -> tuple[list[Row], list[Row]]:
    """The rivals that are better, and those that are worse, beyond both intervals.

    An interval is a factor both ways. Two scores differ if their factor is larger than what the
    factors of both intervals make together, as independent errors do.
    """
    better: list[Row] = []
    worse: list[Row] = []
    for rival in rivals:
        distance = log(_score(rival) / _score(row))
        if abs(distance) > hypot(_arm(row), _arm(rival)):
            (better if distance > 0 else worse).append(rival)
    return better, worse


def _score(row: Row) -> float:
    return max(row.score or 0.0, _LEAST)


def _arm(row: Row) -> float:
    """The log of its interval's factor; retraining and the floor have none."""
    return log(row.score_high / row.score) if row.score_high and row.score else 0.0


def _named(row: Row) -> str:
    return f"{row.submission} ({_figures(row)})"


def _figures(row: Row) -> str:
    interval = COLUMNS["score_low"].text(row.known())
    return f"{_score(row):.4f}" + f", 95 % interval {interval}" * bool(interval)
