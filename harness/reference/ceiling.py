"""The ceiling of scores: what retraining itself gets, measured once for a reference."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

from harness import store
from harness.competition import Evaluation
from harness.epsilon import ForgettingQuality, forgetting_quality
from harness.reference.pools import Reference


def ceiling(reference: Reference, settings: Evaluation, key: str) -> ForgettingQuality:
    """The second pool's forgetting quality against the first; measured once, then cached.

    Parameters
    ----------
    reference : Reference
    settings : Evaluation
        Attackers, delta and number of runs.
    key : str
        What scores of these attackers and this delta are kept under.
    """
    path = file(reference, settings.runs, key)
    with contextlib.suppress(OSError, ValueError, KeyError):
        return ForgettingQuality.from_dict(json.loads(path.read_text(encoding="utf-8")))
    measured = forgetting_quality(
        reference.second.forget_logits,
        reference.retrained.forget_logits,
        reference.data.forget["label"],
        attackers=settings.attackers,
        delta=settings.delta,
    )
    store.write(path, json.dumps(measured.to_dict()))
    return measured


def file(reference: Reference, runs: int, key: str) -> Path:
    """Where the ceiling of the rows that were scored under `key` is kept."""
    return reference.folder / f"ceiling-{runs}-{key}.json"
