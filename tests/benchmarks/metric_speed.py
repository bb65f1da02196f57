"""Time and memory of the metrics: against a tiled transcription, and as models and examples grow.

python -m tests.benchmarks.metric_speed [plot.png]
"""

from __future__ import annotations

import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np

from harness.epsilon import forgetting_quality, neurips2023

GOLDEN = Path(__file__).parent.parent / "golden" / "neurips2023_metric.npz"
CORES = 2
DELTA = 1e-5


def tiled_epsilon(unlearned: np.ndarray, retrained: np.ndarray) -> float:
    """The 2023 rule for one example as written down: thresholds tiled over models and compared."""
    positive, negative = unlearned.astype(np.float32), retrained.astype(np.float32)
    if np.median(positive) < np.median(negative):
        positive, negative = negative, positive
    ranges = np.ptp(positive), np.ptp(negative)
    if min(ranges) / max(ranges) < 0.01:
        return 50.0
    pooled = np.concatenate([positive, negative])
    points = int(np.ceil(np.ptp(pooled) * 100))
    thresholds = np.linspace(pooled.min(), pooled.max(), points, dtype=np.float32)
    single = tiled_attacks(positive, negative, thresholds, np.full_like(thresholds, np.inf))
    peakiest, other = (negative, positive) if ranges[0] >= ranges[1] else (positive, negative)
    low, high = peakiest.min() + min(ranges) - 2, peakiest.max() + 2
    right = np.linspace(low, high, int(np.ceil((high - low) * 100)), dtype=np.float32)
    left = np.linspace(
        right - min(ranges) - 2, right - min(ranges) + 2, 400, axis=1, dtype=np.float32
    )
    double = tiled_attacks(peakiest, other, left.ravel(), np.repeat(right, 400))
    return float(np.clip(max(single, double), 0, 50))


def tiled_attacks(
    inside: np.ndarray, outside: np.ndarray, left: np.ndarray, right: np.ndarray
) -> float:
    """Largest epsilon of predicting `inside` between `left` and `right`."""
    samples = np.tile(np.concatenate([inside, outside]), (len(left), 1))
    is_inside = np.tile(np.arange(samples.shape[1]) < len(inside), (len(left), 1))
    left = np.tile(left[:, None], (1, samples.shape[1]))
    right = np.tile(right[:, None], (1, samples.shape[1]))
    predicted = (samples >= left) & (samples <= right)
    fpr = np.sum(predicted & ~is_inside, axis=1) / len(outside)
    fnr = np.sum(~predicted & is_inside, axis=1) / len(inside)
    if np.any((fpr == 0) & (fnr == 0)):
        return np.inf
    kept = (fpr > 0) & (fnr > 0)
    fpr, fnr = fpr[kept], fnr[kept]
    with np.errstate(divide="ignore", invalid="ignore"):
        bounds = np.log((1 - DELTA - fpr) / fnr), np.log((1 - DELTA - fnr) / fpr)
    return float(np.nanmax(np.concatenate([*bounds, [0.0]])))


def seconds(work: Callable[[], object], least: float = 1.0) -> float:
    """Median time of a call, over at least three and as many as fit into `least` seconds."""
    times: list[float] = []
    while len(times) < 3 or sum(times) < least:
        begin = time.perf_counter()
        work()
        times.append(time.perf_counter() - begin)
    return float(np.median(times))


def peak_mb(work: Callable[[], object]) -> float:
    """Most memory that a call held in arrays at once."""
    tracemalloc.start()
    work()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def against_the_transcription() -> None:
    """Same cases, same machine, one core: the golden ones of N = 512."""
    golden = np.load(GOLDEN)
    unlearned, retrained = golden["n512_unlearned"], golden["n512_retrained"]
    examples = unlearned.shape[1]

    def tiled() -> np.ndarray:
        columns = zip(unlearned.T, retrained.T, strict=True)
        return np.array([tiled_epsilon(u, r) for u, r in columns])

    def ours() -> np.ndarray:
        return neurips2023.epsilons(unlearned, retrained, DELTA)

    apart = np.abs(tiled() - ours()).max()
    slow, fast = seconds(tiled) / examples, seconds(ours) / examples
    print("| 2023 rule, N = 512 | s / example | peak MB |")
    print("|---|---|---|")
    print(f"| thresholds tiled over models | {slow:.3f} | {peak_mb(tiled):.0f} |")
    print(f"| `neurips2023.epsilons` | {fast:.6f} | {peak_mb(ours):.1f} |")
    print(f"\n{slow / fast:.0f} times faster; epsilons agree to {apart:.1e}.\n")


def logits(models: int, examples: int, classes: int = 10) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    pools = rng.normal(size=(2, models, examples, classes)).astype(np.float32)
    return pools[0], pools[1], rng.integers(classes, size=examples)


def growth(plot: str | None) -> None:
    """Time of the default panel and of 200 resamples, and the whole on many examples."""
    rows = []
    print(f"| models | examples | panel, s on {CORES} cores | interval, s | 2023 rule, s |")
    print("|---|---|---|---|---|")
    for models, examples in [(64, 50), (128, 50), (256, 50), (512, 50), (512, 100), (512, 500)]:
        unlearned, retrained, labels = logits(models, examples)
        begin = time.perf_counter()
        quality = forgetting_quality(unlearned, retrained, labels)
        panel = time.perf_counter() - begin
        begin = time.perf_counter()
        quality.draws  # noqa: B018 - computed when asked for
        interval = time.perf_counter() - begin
        first = unlearned[..., 0], retrained[..., 0]
        rule = seconds(lambda pools=first: neurips2023.epsilons(*pools), least=0)  # type: ignore[misc]
        rows.append((models, examples, panel, interval, rule))
        print(f"| {models} | {examples} | {panel:.1f} | {interval:.2f} | {rule:.3f} |")
    if plot:
        draw(np.array(rows), plot)


def draw(rows: np.ndarray, path: str) -> None:
    """Both growths, on logarithmic axes."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharey=True, layout="constrained")
    by_models, by_examples = rows[rows[:, 1] == 50], rows[rows[:, 0] == 512]
    for axis, part, column, label in (
        (axes[0], by_models, 0, "models per pool, 50 examples"),
        (axes[1], by_examples, 1, "forget examples, 512 models per pool"),
    ):
        for figures, name in zip(part[:, 2:].T, ("panel", "interval", "2023 rule"), strict=True):
            axis.loglog(part[:, column], figures, "o-", label=name)
        axis.set(xlabel=label)
        axis.set_xticks(part[:, column], part[:, column].astype(int))
        axis.minorticks_off()
    axes[0].set(ylabel="seconds")
    axes[0].legend()
    figure.savefig(path, dpi=150)


def main() -> None:
    against_the_transcription()
    with joblib.parallel_config(n_jobs=CORES):
        growth(sys.argv[1] if len(sys.argv) > 1 else None)


if __name__ == "__main__":
    main()
