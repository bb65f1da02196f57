"""Writes a competition's private twin: the same TOML with another forget set and other seeds."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from harness import competition as competitions
from harness import data as datasets
from harness import leaderboard, store
from harness.competition import PACKAGED, CompetitionError, Forget, Splits
from harness.data import Columns

SUFFIX = "_private"
SEEDS = 1 << 62  # too many to try
DRAWN = ("random", "identities", "class", "block")  # kinds of forget sets that chance can choose
TEMPLATE = """\
# The private twin of {name}. Keep it to yourself until that closes.
extends = {extends}

[splits]
seed = {splits.seed}
{start}
[training]
seed = {training}

[teams]
private_of = {name}
"""


def create(competition: str) -> Iterator[str]:
    """Write the twin of a competition into a results folder of its own.

    Parameters
    ----------
    competition : str
        A name in `reference/`, or the path of a TOML file.

    Yields
    ------
    str
        Where it is, a file that nobody else may read, and what to do with it.

    Raises
    ------
    CompetitionError
        If there is one, if the competition never closes, or if a seed does not choose its forget
        set.
    """
    public = competitions.load(competition)
    path = leaderboard.results_folder(public.name + SUFFIX) / f"{public.name}{SUFFIX}.toml"
    if path.exists():
        raise CompetitionError(f"{path} exists already, and so do its seeds")
    if public.teams.closing is None:
        raise CompetitionError(
            f"{competition}: teams.closes is missing; a twin is evaluated after that"
        )
    columns = datasets.read(public.dataset, public.data)
    splits = _splits(public.splits, columns)
    datasets.divide(columns, splits)
    start = "" if splits.forget.start is None else f"forget.start = {splits.forget.start}\n"
    text = TEMPLATE.format(
        name=json.dumps(public.name),
        extends=json.dumps(_seen_from(path, competitions.find(competition), competition)),
        splits=splits,
        start=start,
        training=secrets.randbelow(SEEDS),
    )
    store.write(path, text, mode=0o600)
    yield f"{path} is written: keep it to yourself until {public.teams.closing}"
    yield f"after that: harness teams --competition {path}"


def _splits(public: Splits, columns: Columns) -> Splits:
    """The public splits by another seed, with another forget set of the same kind and size."""
    forget, splits = public.forget, replace(public, seed=secrets.randbelow(SEEDS))
    whole_class = forget.kind == "class" and forget.share is None and forget.count is None
    if forget.kind not in DRAWN or whole_class:
        raise CompetitionError(
            f"a seed chooses no other forget set of kind {forget.kind!r}: write the twin yourself, "
            "as docs/hosting.md shows under “A private competition”"
        )
    if forget.start is None:
        return splits
    return replace(splits, forget=_moved(forget, public, columns))


def _moved(forget: Forget, splits: Splits, columns: Columns) -> Forget:
    """Consecutive examples or identities elsewhere, none of which is in the public forget set."""
    rows = datasets.trainable(columns, splits)
    candidates = rows if forget.kind == "block" else np.unique(columns["person_id"][rows])
    count, start = forget.count or 0, forget.start or 0
    starts = [s for s in range(len(candidates) - count + 1) if abs(s - start) >= count]
    if not starts:
        raise CompetitionError("splits.forget: there is no room for another forget set beside it")
    return replace(forget, start=secrets.choice(starts))


def _seen_from(path: Path, public: Path, name: str) -> str:
    """What the twin extends: a name that ships with the harness, or a path relative to the twin."""
    return name if public.parent == PACKAGED else os.path.relpath(public, path.parent)
