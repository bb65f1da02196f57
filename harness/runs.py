"""The N runs of a submission: scheduled, stored one by one, resumed where they stopped."""

from __future__ import annotations

import hmac
import tempfile
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic

import numpy as np
import torch
from joblib import Parallel, delayed
from tqdm import tqdm

from harness.competition import LEVELS, Limits
from harness.device import device, places
from harness.outputs import Observes
from harness.pool import Pool, Seen
from harness.run_store import TOGETHER, RunStore
from harness.sandbox.host import Inputs, RunResult, Server, Servers, Zygote
from harness.store import Content
from harness.submission import Submission, Verdict
from harness.text import quoted
from harness.workers import HERE, Workers


@dataclass(frozen=True)
class Runs(Generic[Seen]):
    """What the runs of a submission gave.

    Attributes
    ----------
    pool : Outputs of N
        Of the observer's kind.
    seconds : ndarray [N]
        Wall time of each run.
    isolation : str
        The lowest level of any run.
    memory : str
        "capped" if the kernel held every run to its memory, else "watched".
    device : str
        "cpu" or "cuda"; both, if they differ.
    """

    pool: Seen
    seconds: np.ndarray
    isolation: str
    memory: str
    device: str


def perform(
    submission: Submission,
    zygote: Zygote,
    observer: Observes[Seen],
    limits: Limits,
    count: int,
    folder: Path,
    key: bytes,
    *,
    of: int | None = None,
    workers: Workers = HERE,
    keep_weights: bool = False,
    inputs: Inputs | None = None,
    log: Callable[[str], None] = lambda text: None,
    progress: bool = True,
) -> Runs[Seen]:
    """Run a submission until `count` runs are stored in `folder`; stored runs are kept.

    Parameters
    ----------
    submission : Submission
    zygote : Zygote
        What the runs are forked from.
    observer : Observes
        Computes the outputs of what the runs return.
    limits : Limits
    count : int
    folder : Path
        Where the runs' outputs are stored.
    key : bytes
        A secret, derived from all that the runs depend on; their seeds follow from it.
    of : int, optional
        The total that the progress bar shows; `count` if None.
    workers : Workers
        Who does the runs; a cluster's must be joined, and share `zygote` and `observer`.
    keep_weights : bool
        Whether the runs' weights stay once their outputs are computed.
    inputs : callable, optional
        Makes a folder with a run's own `policy.OWN_INPUTS`; all runs have the zygote's if None.
    log : callable
        Called with what the submission printed, run by run.
    progress : bool
        Show a progress bar.

    Raises
    ------
    Verdict
        That of the failed run with the lowest number.
    """
    job = _Job(submission, zygote, observer, limits, key, inputs)
    stored = RunStore(folder, keep_weights=keep_weights)
    batches = _batches(count)
    todo = {b: runs for b in batches if (runs := stored.missing(b, zygote.require))}
    if todo:
        missing = sum(map(len, todo.values()))
        if workers.cluster:
            at_once = min(workers.at_once, missing)
            results = _elsewhere(job, list(todo), stored, workers, log)
        else:
            gpus = places(limits.gpu_memory_mb, observer.gpu_mb) or [""] * workers.at_once
            at_once = min(len(gpus), workers.at_once, missing)
            results = _here(job, todo, stored, gpus[:at_once], log)
        with _bar(submission.name, count, missing, of or count, progress) as bar, closing(results):
            kept = set(range(count)).difference(*todo.values())
            spent = sum(stored.run_facts(run)["seconds"] for run in kept) / workers.at_once
            for done, seconds in enumerate(results, 1 + len(kept)):
                bar.update()
                spent += seconds / at_once
                if spent > limits.total_seconds:
                    raise _too_long(done, of or count, spent, limits)
    return _gather(stored, [stored.outputs(batch, observer) for batch in batches])


def read(folder: Path, count: int) -> Runs[Pool] | None:
    """What `perform` stored in `folder`; None if the outputs of `count` runs are not all there."""
    if not folder.is_dir():
        return None
    stored = RunStore(folder)
    pools = [stored.known_outputs(batch, Pool) for batch in _batches(count)]
    whole = [pool for pool in pools if pool is not None]
    return _gather(stored, whole) if len(whole) == len(pools) else None


def seed(key: bytes, run: int) -> int:
    """The seed of a run, fixed by key and number; without the key it reveals neither."""
    return int.from_bytes(hmac.digest(key, str(run).encode(), "sha256")[:8], "big") >> 1


def _batches(count: int) -> list[range]:
    return [range(i, min(i + TOGETHER, count)) for i in range(0, count, TOGETHER)]


def _gather(stored: RunStore, batches: Sequence[Seen]) -> Runs[Seen]:
    """The runs that have these outputs, in order."""
    pool = type(batches[0]).concatenate(batches)
    facts = [stored.run_facts(run) for run in range(len(pool))]
    return Runs(
        pool,
        np.array([fact["seconds"] for fact in facts]),
        min((fact["isolation"] for fact in facts), key=LEVELS.index),
        max(fact["memory"] for fact in facts),
        " ".join(sorted({fact["device"] for fact in facts})),
    )


@dataclass(frozen=True)
class _Job:
    """What the runs of a submission need; see `perform`."""

    submission: Submission
    zygote: Zygote
    observer: Observes
    limits: Limits
    key: bytes
    inputs: Inputs | None = None

    def server(self, gpu: str, inputs: Path | None) -> Server:
        """What does the runs on a GPU, all of them or, with its own inputs, one."""
        own = self.submission, self.zygote, self.limits
        return Server(*own, inputs=inputs, device=device().type, gpu=gpu)


def _here(
    job: _Job,
    todo: Mapping[range, Sequence[int]],
    stored: RunStore,
    gpus: Sequence[str],
    log: Callable[[str], None],
) -> Generator[float]:
    """Do the missing runs of batches on this machine; yield the seconds of each, in order.

    As many go at a time as there are `gpus`; "" stands for the first, or for none.
    """
    runs = [run for missing in todo.values() for run in missing]
    last = {missing[-1]: batch for batch, missing in todo.items()}
    walls = job.zygote.isolation
    with Servers(job.server, gpus, job.inputs) as servers:
        log(f"isolation {walls.level} {walls.missing}".rstrip() + "\n")
        stop = threading.Event()
        # In order, so that the verdict does not depend on which run happened to fail first.
        results = Parallel(n_jobs=len(gpus), backend="threading", return_as="generator")(
            delayed(_run)(stop, servers, run, job, stored) for run in runs
        )
        try:
            for run, result in zip(runs, results, strict=True):
                if isinstance(result, Verdict):
                    raise result
                if result is None:  # stopped by a verdict that is still to come
                    continue
                log(_entry(run, result))
                if run in last:
                    stored.outputs(last[run], job.observer)
                yield result.seconds
        except (Verdict, GeneratorExit):
            stop.set()
            for _ in results:  # the runs under way end before their sandbox does
                pass
            raise


def _elsewhere(
    job: _Job,
    batches: Sequence[range],
    stored: RunStore,
    workers: Workers,
    log: Callable[[str], None],
) -> Generator[float]:
    """Let a cluster's workers do whole batches; otherwise like `_here`."""
    stop = threading.Event()
    results = workers.results(
        delayed(_batch)(batch, stored.keep_weights, **vars(job))
        for batch in batches
        if not stop.is_set()
    )
    try:
        for done in results:
            log(done.log)
            if done.verdict is not None:
                raise done.verdict
            stored.adopt(done.contents)
            yield from done.seconds
    except (Verdict, GeneratorExit):
        stop.set()
        for _ in results:  # calls that were handed out already finish
            pass
        raise


@dataclass(frozen=True)
class _Done:
    """What a worker of a cluster sends back: the contents of its store, or a verdict."""

    log: str
    seconds: Sequence[float] = ()
    contents: Sequence[Content] = ()
    verdict: Verdict | None = None


def _batch(batch: range, keep_weights: bool, **made_by: Any) -> _Done:
    """A batch of runs on a worker of a cluster, one after another, as on one machine."""
    torch.set_num_threads(1)
    log: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        stored = RunStore(Path(folder), keep_weights=keep_weights)
        try:
            seconds = list(_here(_Job(**made_by), {batch: batch}, stored, [""], log.append))
        except Verdict as verdict:
            return _Done("".join(log), verdict=verdict)
        return _Done("".join(log), seconds, stored.contents())


def _run(
    stop: threading.Event, servers: Servers, run: int, job: _Job, stored: RunStore
) -> RunResult | Verdict | None:
    """One run, stored at once if it succeeded; a failed one is not stored and stops the rest."""
    if stop.is_set():
        return None
    try:
        result = servers.run(run, seed(job.key, run))
    except Verdict as verdict:
        stop.set()
        return Verdict(verdict.status, f"run {run}: {verdict.message}", verdict.output)
    stored.put_run(run, result, job.zygote.isolation.level)
    return result


def _too_long(done: int, count: int, spent: float, limits: Limits) -> Verdict:
    return Verdict(
        "timeout",
        f"{done} of {count} runs took {spent:.0f} s; "
        f"all of them together may take {limits.total_seconds:g} s.",
    )


def _entry(run: int, result: RunResult) -> str:
    facts = f"run {run}: {result.seconds:.2f} s, {result.peak_memory_mb:.0f} MiB\n"
    return facts + quoted(result.output)


def _bar(name: str, count: int, missing: int, of: int, progress: bool) -> tqdm:
    start, last = count - missing, count == of
    return tqdm(total=of, initial=start, desc=name, unit="run", leave=last, disable=not progress)
