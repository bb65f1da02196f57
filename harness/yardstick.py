"""Measures seconds against retrainings in the sandbox, which alternate with the runs."""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch
from scipy.stats import t as student

from harness import store
from harness.competition import Limits
from harness.device import device
from harness.outputs import Observer
from harness.reference import plain_loop
from harness.reference.pools import Reference
from harness.reference.training import MEASURED_SECONDS, as_plain
from harness.run_store import TOGETHER
from harness.runs import Runs, perform
from harness.sandbox.host import Zygote
from harness.submission import Submission, Verdict
from harness.workers import Workers

_FILE = "retrainings.json"
TURNS = 8  # of runs and of retrainings; fewer if there are few runs
LONGER = 3  # times as many epochs has the longer of two
RUNS = 3  # retrainings one after another, at least: one second on a busy machine says little


def yardsticks(reference: Reference) -> dict[int, Submission]:
    """Submissions that train on the retain set by the competition's recipe, by their epochs.

    The first takes about a second. On a GPU there is a longer one, because CUDA's start takes a run
    as long as an epoch does.
    """
    recipe = reference.competition.training
    epochs = min(
        recipe.epochs, math.ceil(recipe.epochs * MEASURED_SECONDS / reference.retrain_seconds)
    )
    lengths = {epochs}
    if device().type == "cuda":
        lengths.add(min(recipe.epochs, LONGER * epochs))
    return {length: _loop(reference, length) for length in sorted(lengths)}


def _loop(reference: Reference, epochs: int) -> Submission:
    path = Path(plain_loop.__file__)
    labels = torch.from_numpy(reference.data.retain["label"])
    own = as_plain(reference.competition.training, labels, epochs)
    source = path.read_bytes() + f"\nRECIPE = {own!r}\n".encode()
    return Submission("retraining", path, source, hashlib.sha256(source).hexdigest(), ())


def retraining(epochs: int, spent: Mapping[int, np.ndarray]) -> np.ndarray:
    """Seconds of whole retrainings, from those of runs of one length or of two.

    Parameters
    ----------
    epochs : int
        Of a retraining.
    spent : mapping of int to ndarray [m]
        By its epochs, the seconds of a run. With two lengths, what a run takes before its first
        epoch counts once, and not once for each epoch.

    Returns
    -------
    ndarray [m]
        Empty if `spent` is.
    """
    if not spent:
        return np.array([])
    (short, least), (long, most) = [(0, np.array(0.0)), *sorted(spent.items())][-2:]
    return np.maximum(least + (epochs - short) * (most - least) / (long - short), most)


def in_turn(
    submission: Submission,
    reference: Reference,
    zygote: Zygote,
    observer: Observer,
    workers: Workers,
    folder: Path,
    key: bytes,
    log: Callable[[str], None] = lambda text: None,
    progress: bool = True,
) -> tuple[Runs, np.ndarray]:
    """The runs of a submission, alternating with retrainings.

    The time of a run depends on what runs beside it, and changes from minute to minute. So some
    retrainings, as many at a time, follow each part of the runs, and a machine that gets slower is
    slower for both.

    Parameters
    ----------
    submission : Submission
    reference : Reference
        Of a competition that says how many runs, and within which limits.
    zygote, observer, workers, folder, key, log, progress
        As in `harness.runs.perform`. The retrainings' seconds are kept in `folder` too, so that
        nothing is repeated.

    Returns
    -------
    runs : Runs
    seconds : ndarray [m]
        Those of m retrainings; empty if an epoch breaks the limits of a run.
    """
    settings = reference.competition.evaluation
    ends = _ends(settings.runs, workers.at_once)
    each = workers.at_once * math.ceil(RUNS / len(ends))
    for end in ends:
        runs = perform(
            submission,
            zygote,
            observer,
            settings.limits,
            end,
            folder,
            key,
            of=settings.runs,
            workers=workers,
            keep_weights=settings.keep_weights,
            log=log,
            progress=progress,
        )
        kept = _kept(folder)
        # Beside more runs it was measured already, when there were to be more of them.
        done = str(end) in kept or any(int(other) > end for other in kept)
        if not done and [] not in kept.values():
            spent = _seconds(reference, zygote, observer, workers, each)
            seconds = retraining(reference.competition.training.epochs, spent)
            kept[str(end)] = seconds.tolist()
            store.write(folder / _FILE, json.dumps(kept))
    return runs, retrainings(folder, settings.runs)


def retrainings(folder: Path, runs: int) -> np.ndarray:
    """The seconds [m] of the retrainings that were done beside so many runs; see `in_turn`."""
    kept = _kept(folder)
    beside = [end for end in kept if int(end) <= runs] or list(kept)
    measured = [np.array(kept[end]) for end in beside]
    broken = any(seconds.size == 0 for seconds in measured)
    return np.array([]) if broken or not measured else np.concatenate(measured)


def fraction_low(seconds: np.ndarray, retrainings: np.ndarray) -> float | None:
    """The lower end of the 95 % interval of a run's time over a retraining's.

    Parameters
    ----------
    seconds : ndarray [n]
        Of runs.
    retrainings : ndarray [m]
        Seconds of retrainings.

    Returns
    -------
    float or None
        For the ratio of the two means, by the delta method; None for fewer than two retrainings.
    """
    if len(retrainings) < 2:
        return None
    variance = sum(
        values.var(ddof=1) / len(values) / values.mean() ** 2 for values in (seconds, retrainings)
    )
    error = student.ppf(0.95, len(retrainings) - 1) * math.sqrt(variance)
    return max(float(seconds.mean() / retrainings.mean() * (1 - error)), 0.0)


def refuse_slow(fraction: float | None, limits: Limits) -> None:
    """Raise a Verdict, `timeout`, where the competition refuses what takes longer than its limit.

    `fraction` is the least part of a retraining that a run may take, if that is known.
    """
    is_slow = fraction is not None and fraction > limits.retrain_fraction
    if is_slow and limits.over_limit == "refuse":
        raise Verdict(
            "timeout",
            f"A run takes at least {fraction:.0%} of the time of retraining; this competition "
            f"scores nothing that takes more than {limits.retrain_fraction:.0%}.",
        )


def _ends(count: int, at_once: int) -> list[int]:
    """How many runs are done after each turn: whole batches, at least one run per worker."""
    size = TOGETHER * max(math.ceil(count / TURNS / TOGETHER), at_once)
    return [min(end, count) for end in range(size, count + size, size)]


def _kept(folder: Path) -> dict[str, list[float]]:
    """The seconds of retrainings, by the number of runs that were done before."""
    path = folder / _FILE
    return json.loads(path.read_text()) if path.exists() else {}


def _seconds(
    reference: Reference, zygote: Zygote, observer: Observer, workers: Workers, count: int
) -> dict[int, np.ndarray]:
    """The seconds of so many runs of each loop, until one breaks the limits of a run."""
    spent: dict[int, np.ndarray] = {}
    limits = reference.competition.evaluation.limits
    for epochs, loop in yardsticks(reference).items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                own = Path(folder), loop.name.encode()
                runs = perform(
                    loop, zygote, observer, limits, count, *own, workers=workers, progress=False
                )
            except Verdict:
                break
        spent[epochs] = runs.seconds
    return spent
