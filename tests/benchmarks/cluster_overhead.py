"""What a cluster adds to 512 runs of one epoch of fine-tuning, its workers on this machine."""

import os
import sys
import tempfile
import time
from pathlib import Path

import torch
from distributed import LocalCluster
from joblib import cpu_count

from harness import competition
from harness import submission as submissions
from harness.outputs import Observer
from harness.reference.pools import Reference, prepare
from harness.runs import perform
from harness.sandbox.host import Zygote
from harness.workers import HERE, Workers
from tests.benchmarks.run_overhead import SUBMISSION

WARM = 32  # runs before the clock starts: two batches, so that each worker has its sandbox


def seconds(reference: Reference, runs: int, workers: Workers) -> float:
    """Seconds of the runs, stored and with their outputs, once every worker is warm."""
    observer = Observer(reference.competition.model, reference.data)
    limits = reference.competition.evaluation.limits
    submission = submissions.read(SUBMISSION)
    with (
        Zygote(reference.inputs) as zygote,
        workers.joined(zygote, observer),
        tempfile.TemporaryDirectory() as name,
    ):

        def run(count: int) -> float:
            start = time.perf_counter()
            folder = Path(name, str(count))
            who = {"workers": workers, "progress": False}
            perform(submission, zygote, observer, limits, count, folder, str(count), **who)  # type: ignore[arg-type]
            return time.perf_counter() - start

        run(WARM)
        return run(runs)


def main(runs: int = 512, repeats: int = 2) -> None:
    """Print both, in turn, and their ratio."""
    torch.set_num_threads(1)
    reference = prepare(competition.load("digits"))
    print(f"{runs} runs of {SUBMISSION}, {cpu_count()} at a time\n")
    print("| by threads of this process, s | by a cluster's workers, s | ratio |\n|---|---|---|")
    with LocalCluster(
        n_workers=cpu_count(), threads_per_worker=1, dashboard_address=None
    ) as cluster:
        for _ in range(repeats):
            here = seconds(reference, runs, HERE)
            there = seconds(reference, runs, Workers(cluster=cluster.scheduler_address))
            print(f"| {here:.1f} | {there:.1f} | {there / here:.2f} |", flush=True)


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[2])
    main(*map(int, sys.argv[1:]))
