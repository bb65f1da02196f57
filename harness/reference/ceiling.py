"""The ceiling of scores: what retraining itself gets, measured once per reference."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from harness import scorer, store
from harness.competition import Evaluation
from harness.epsilon import ForgettingQuality
from harness.reference.pools import Reference
from harness.scoring import quality


def ceiling(reference: Reference, settings: Evaluation, key: str) -> ForgettingQuality:
    """The second pool's forgetting quality against the first; measured once, then cached.

    Parameters
    ----------
    reference : Reference
    settings : Evaluation
        Attackers, delta and number of runs.
    key : str
        The key of scores with these attackers and this delta.
    """
    path = file(reference, settings.runs, key)
    with contextlib.suppress(OSError, ValueError, KeyError):
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["scorer"] == scorer.version():
            return ForgettingQuality.from_dict(content)
    measured = quality(
        reference.second,
        reference.retrained,
        reference.data.forget["label"],
        settings.attackers,
        settings.delta,
    )
    store.write(path, json.dumps({"scorer": scorer.version()} | measured.to_dict()))
    return measured


def file(reference: Reference, runs: int, key: str) -> Path:
    """The file with the ceiling of the rows that were scored under `key`."""
    return reference.folder / f"ceiling-{runs}-{key}.json"
