"""The N runs of a submission: scheduled, stored one by one, resumed where they stopped."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from joblib import Parallel, cpu_count, delayed
from tqdm import tqdm

from harness.competition import LEVELS, Limits
from harness.outputs import Observer
from harness.pool import Pool
from harness.sandbox import RunResult, Sandbox, WarmParent
from harness.store import Store, StoreError
from harness.submission import Submission, Verdict

TOGETHER = 16  # runs whose outputs are computed in one pass, which halves their time


@dataclass(frozen=True)
class Runs:
    """What the runs of a submission gave.

    Attributes
    ----------
    pool : Pool of N
    seconds : ndarray [N]
        Wall time of each run.
    isolation : str
        The lowest level that any of them ran under.
    """

    pool: Pool
    seconds: np.ndarray
    isolation: str


def perform(
    submission: Submission,
    parent: WarmParent,
    observer: Observer,
    limits: Limits,
    count: int,
    folder: Path,
    key: str,
    *,
    log: Callable[[str], None] = lambda text: None,
    progress: bool = True,
) -> Runs:
    """Run a submission until `count` runs are stored in `folder`; those that are, are kept.

    Parameters
    ----------
    submission : Submission
    parent : WarmParent
        What the runs are forked from.
    observer : Observer
        Computes the outputs of what the runs return.
    limits : Limits
    count : int
    folder : Path
        Where the runs' outputs are stored.
    key : str
        Of all that the runs depend on; their seeds follow from it.
    log : callable
        Is given what the submission printed, run by run.
    progress : bool
        Show a progress bar.

    Raises
    ------
    Verdict
        Of the first run that failed, by its number.
    """
    stored = Store(folder)
    batches = _batches(count)
    missing = {batch: _missing(stored, batch, parent.require) for batch in batches}
    todo = [run for batch in batches for run in missing[batch]]
    complete = {runs[-1]: batch for batch, runs in missing.items() if runs}
    if todo:
        workers = min(cpu_count(), len(todo))
        threads = cpu_count() // workers
        with (
            Sandbox(submission, parent, limits, threads=threads) as sandbox,
            _bar(submission.name, count, len(todo), progress) as bar,
        ):
            log(f"isolation {sandbox.level} {sandbox.missing}".rstrip() + "\n")
            stop = threading.Event()
            # In order, so that the verdict does not depend on which run happened to fail first.
            results = Parallel(n_jobs=workers, backend="threading", return_as="generator")(
                delayed(_run)(stop, sandbox, run, seed(key, run), stored) for run in todo
            )
            verdict, spent = None, 0.0
            for run, result in zip(todo, results, strict=True):
                if isinstance(result, RunResult) and verdict is None:
                    log(_entry(run, result))
                    bar.update()
                    if run in complete:
                        _outputs(stored, complete[run], observer)
                    spent += result.seconds / workers
                    if spent > limits.total_seconds:
                        stop.set()
                        verdict = _too_long(run, count, spent, limits)
                verdict = verdict or (result if isinstance(result, Verdict) else None)
            if verdict is not None:
                raise verdict
    return _gather(stored, [_outputs(stored, batch, observer) for batch in batches])


def read(folder: Path, count: int) -> Runs | None:
    """What `perform` stored in `folder`; None if the outputs of `count` runs are not all there."""
    if not folder.is_dir():
        return None
    stored = Store(folder)
    pools = [_known_outputs(stored, batch) for batch in _batches(count)]
    whole = [pool for pool in pools if pool is not None]
    return _gather(stored, whole) if len(whole) == len(pools) else None


def seed(key: str, run: int) -> int:
    """The seed of a run: fixed by all that the run depends on, and telling nothing else."""
    return int.from_bytes(hashlib.sha256(f"{key} {run}".encode()).digest()[:8], "big") >> 1


def _batches(count: int) -> list[range]:
    return [range(i, min(i + TOGETHER, count)) for i in range(0, count, TOGETHER)]


def _gather(stored: Store, batches: Sequence[Pool]) -> Runs:
    """The runs of these outputs, in order."""
    pool = Pool.concatenate(batches)
    facts = [stored.facts(_name(run)) for run in range(len(pool))]
    return Runs(
        pool,
        np.array([fact["seconds"] for fact in facts]),
        min((fact["isolation"] for fact in facts), key=LEVELS.index),
    )


def _run(
    stop: threading.Event, sandbox: Sandbox, run: int, seed: int, stored: Store
) -> RunResult | Verdict | None:
    """One run, stored at once if it succeeded; a failed one is never kept, and stops the rest."""
    if stop.is_set():
        return None
    try:
        result = sandbox.run(seed)
    except Verdict as verdict:
        stop.set()
        return Verdict(verdict.status, f"run {run}: {verdict.message}", verdict.output)
    stored.put(
        _name(run),
        result.weights,
        seconds=result.seconds,
        peak_memory_mb=result.peak_memory_mb,
        isolation=sandbox.level,
    )
    return result


def _too_long(run: int, count: int, spent: float, limits: Limits) -> Verdict:
    return Verdict(
        "timeout",
        f"{run + 1} of {count} runs took {spent:.0f} s; "
        f"all of them together may take {limits.total_seconds:g} s.",
    )


def _missing(stored: Store, batch: range, require: str) -> list[int]:
    """The runs of a batch that have to be done, or done again within better walls."""
    least = LEVELS.index(require)
    kept = [
        run
        for run in batch
        if stored.checksum(_name(run))
        and LEVELS.index(stored.facts(_name(run))["isolation"]) >= least
    ]
    if len(kept) == len(batch) and _known_outputs(stored, batch) is not None:
        return []
    return [run for run in batch if run not in kept or stored.get(_name(run)) is None]


def _outputs(stored: Store, batch: range, observer: Observer) -> Pool:
    """The outputs of a batch of runs, computed once; the weights of a full one go then."""
    if (known := _known_outputs(stored, batch)) is not None:
        return known
    pool = observer.weights([_kept_weights(stored, run) for run in batch])
    stored.put(_batch_name(batch), pool.arrays(), runs=_checksums(stored, batch))
    if len(batch) == TOGETHER:
        for run in batch:
            stored.drop(_name(run))
    return pool


def _known_outputs(stored: Store, batch: range) -> Pool | None:
    """The outputs of just these runs, not of others that had their numbers before."""
    if stored.facts(_batch_name(batch)).get("runs") != _checksums(stored, batch):
        return None
    arrays = stored.get(_batch_name(batch))
    return None if arrays is None else Pool(**arrays)


def _kept_weights(stored: Store, run: int) -> dict[str, np.ndarray]:
    weights = stored.get(_name(run))
    if weights is None:
        raise StoreError(f"{stored.folder}: the weights of run {run} were damaged; start again")
    return weights


def _checksums(stored: Store, batch: range) -> list[str]:
    return [stored.checksum(_name(run)) for run in batch]


def _entry(run: int, result: RunResult) -> str:
    printed = f"\n{result.output.rstrip()}" if result.output.strip() else ""
    return f"run {run}: {result.seconds:.2f} s, {result.peak_memory_mb:.0f} MiB{printed}\n"


def _bar(name: str, count: int, missing: int, progress: bool) -> tqdm:
    return tqdm(total=count, initial=count - missing, desc=name, unit="run", disable=not progress)


def _name(run: int) -> str:
    return f"run-{run:04d}"


def _batch_name(batch: range) -> str:
    return f"outputs-{batch.start:04d}-{batch.stop:04d}"
