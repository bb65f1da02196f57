"""Working memory and time of scoring many examples of many classes, on all cores.

python -m tests.benchmarks.memory [models examples classes]
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from joblib import Parallel, cpu_count, delayed

from harness import diagnostics, metrics, scoring
from harness.epsilon import calibration
from harness.pool import Pool

SIZES = ("512", "2000", "100")
VALIDATION, TEST, OF_CEILING = 20, 1000, 10
GOAL = 2.0  # GiB


def pool(models: int, labels: np.ndarray, classes: int, shift: float, seed: int) -> Pool:
    """Float32 logits of `models` models, made in place; those of the label shifted."""
    rng = np.random.default_rng(seed)
    logits = rng.standard_normal((models, len(labels), classes), dtype=np.float32)
    for model in logits:
        model[np.arange(len(labels)), labels] += 8 + shift
        model[:, :2] -= 8 * shift  # which attackers of all logits see, as they mostly do
    seen = rng.standard_normal((models, VALIDATION, classes), dtype=np.float32)
    accuracies = rng.uniform(0.8, 0.9, (4, models))
    losses = rng.exponential(size=(models, TEST)).astype(np.float32)
    return Pool(logits, losses, *accuracies, *calibration(seen))


def resident(which: str) -> float:
    """GiB of this process, now ("VmRSS") or at most ("VmHWM")."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(which)) / 2**20


def measure(models: int, examples: int, classes: int) -> None:
    """What a row takes, from the pools to all its figures."""
    labels = np.arange(examples) % classes
    unlearned, retrained = (
        pool(models, labels, classes, shift, seed) for seed, shift in enumerate((0.5, 0.0))
    )
    few = [
        replace(each, forget_logits=each.forget_logits[:, :OF_CEILING])
        for each in (unlearned, retrained)
    ]
    ceiling = scoring.quality(*few, labels[:OF_CEILING])  # as any, it is divided by
    inputs, begin = resident("VmRSS"), time.perf_counter()
    score = scoring.score(unlearned, retrained, ceiling, labels, n_jobs=-1)
    panel = time.perf_counter() - begin
    beside = metrics.figures(unlearned, retrained, labels, score.quality.epsilons)
    official = beside["neurips2023_score"]
    assert official is not None
    metrics.per_example(unlearned, retrained, labels, score.quality)
    diagnostics.flags(unlearned, retrained, labels, score.value, official, score.utility)
    whole = time.perf_counter() - begin
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20 - inputs
    workers = Parallel(n_jobs=-1)(delayed(resident)("VmHWM") for _ in range(4 * cpu_count()))
    working = own + cpu_count() * max(workers)
    verdict = "reached" if working <= GOAL else "**missed**"
    print(
        f"| {models} | {examples} | {classes} | {inputs:.2f} | {own:.2f} "
        f"| {cpu_count()} x {max(workers):.2f} | {working:.2f}, {verdict} "
        f"| {panel:.0f} | {whole - panel:.0f} |"
    )


def main() -> None:
    if "--here" in sys.argv:
        measure(*(int(size) for size in sys.argv[2:]))
        return
    print(
        "| models | examples | classes | process with both pools, GiB | beyond them | workers "
        "| working memory | score, s | other figures, s |"
    )
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    sizes = sys.argv[1:] or SIZES
    # A process that has held nothing else, so that its peak is of this.
    command = [sys.executable, "-m", "tests.benchmarks.memory", "--here", *sizes]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


if __name__ == "__main__":
    main()
