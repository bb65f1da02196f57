"""What seconds are measured by: a retraining in the sandbox, run as the submissions are."""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import tempfile
from collections.abc import Callable
from pathlib import Path

from harness import store
from harness.reference import plain_loop
from harness.reference.pools import Reference
from harness.reference.training import MEASURED_SECONDS
from harness.runs import Runs
from harness.submission import Submission, Verdict

RUNS = 3  # one after another; a single second of a busy machine says little


def yardstick(reference: Reference) -> tuple[Submission, float]:
    """A submission that trains on the retain set by a plain loop, for about a second.

    Returns
    -------
    submission : Submission
    factor : float
        From the seconds of one of its runs to those of one retraining.
    """
    whole = reference.competition.training.epochs
    epochs = min(whole, math.ceil(whole * MEASURED_SECONDS / reference.retrain_seconds))
    path = Path(plain_loop.__file__)
    source = path.read_bytes() + f"\nEPOCHS = {epochs}\n".encode()
    digest = hashlib.sha256(source).hexdigest()
    return Submission("retraining", path, source, digest, ()), whole / epochs


def retraining_seconds(
    perform: Callable[..., Runs], reference: Reference, at_once: int, folder: Path
) -> float | None:
    """Seconds of one retraining, kept in a folder of runs that they are to be compared with.

    The time of a run depends on what runs beside it, and on the hour; so the yardstick is run
    right after them, as many at a time, and `RUNS` times as many in all.

    Parameters
    ----------
    perform : callable
        `harness.runs.perform`, told what all runs of an evaluation share.
    reference : Reference
    at_once : int
    folder : Path

    Returns
    -------
    float or None
        None if an epoch of retraining breaks the limits of a run.
    """
    path = folder / "retraining.json"
    if not path.exists():
        loop, factor = yardstick(reference)
        limits = reference.competition.evaluation.limits
        with tempfile.TemporaryDirectory() as own, contextlib.suppress(Verdict):
            runs = perform(
                loop,
                limits=limits,
                count=RUNS * at_once,
                folder=Path(own),
                key=loop.name.encode(),
                progress=False,
            )
            store.write(path, json.dumps(factor * float(runs.seconds.mean())))
    return json.loads(path.read_text()) if path.exists() else None
