"""What two runs show of a submission: weights, seeds, time, accuracies, use of `val`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from joblib import cpu_count
from safetensors.numpy import load_file
from scipy.stats import ttest_ind

from harness.competition import Limits
from harness.outputs import SPLITS, Observer
from harness.reference.pools import Reference
from harness.sandbox.host import RunResult

POOR = 0.75  # of the retrained models' test accuracy
SURE = 0.01  # chance that validation images stand out by themselves
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")


class Finding(NamedTuple):
    """What a check found about one topic, and whether it is a warning."""

    topic: str
    text: str
    warns: bool = False

    def __str__(self) -> str:
        return f"{self.topic}: {'WARNING, ' if self.warns else ''}{self.text}"


def weights(results: Sequence[RunResult], reference: Reference) -> Iterator[Finding]:
    """Whether the weights changed at all, in full precision, and differ from seed to seed."""
    first, second = (result.weights for result in results)
    original = load_file(reference.inputs / "original.safetensors")
    changed = [
        name
        for name, values in original.items()
        if not all(np.array_equal(own[name], values) for own in (first, second))
    ]
    if not changed:
        yield Finding(
            "weights",
            "they are the original's, unchanged. Did you return the model? A copy that is changed, "
            "or a `net` that is assigned again, counts only if it is returned.",
            warns=True,
        )
        return
    if all(name.endswith(BUFFERS) for name in changed):
        yield Finding(
            "weights",
            "only the running statistics of batch normalisation changed, no parameter did. Does "
            "the optimizer have the parameters of `net`, and is `step` called?",
            warns=True,
        )
    elif all(_is_half(values) for values in second.values()):
        yield Finding(
            "weights",
            "they are in half precision. The harness casts them back, and their rounding stays: "
            "train in full precision, or under torch.autocast.",
            warns=True,
        )
    else:
        yield Finding("weights", "names, shapes and types match, and all values are finite")
    if all(np.array_equal(first[name], second[name]) for name in changed):
        yield Finding(
            "seeds",
            "two seeds gave the same weights: all runs would be equal, which is easy to tell from "
            "retraining. Do not set a seed in the file; draw something at random.",
            warns=True,
        )
    else:
        yield Finding("seeds", "two seeds give different weights")


def time(seconds: float, retrainings: np.ndarray, runs: int, limits: Limits) -> Iterator[Finding]:
    """What all runs would take here, and a run in terms of a retraining, if that was measured."""
    total = seconds * runs / cpu_count()
    slow = total > limits.total_seconds
    yield Finding(
        "time",
        f"{seconds:.2f} s per run; {runs} runs take about {total / 60:.1f} min here, "
        f"{'above' if slow else 'within'} the limit of {limits.total_seconds / 60:.0f} min",
        warns=slow,
    )
    if retrainings.size:
        fraction = seconds / float(retrainings.mean())
        slow = fraction > limits.retrain_fraction
        yield Finding(
            "time",
            f"{fraction:.0%} of a retraining, {'flagged above' if slow else 'within'} "
            f"{limits.retrain_fraction:.0%}",
            warns=slow,
        )


def accuracies(
    results: Sequence[RunResult], reference: Reference, observer: Observer
) -> Iterator[Finding]:
    """The runs' mean accuracies, beside those of the original and of the retrained models."""
    own = observer.weights([result.weights for result in results])
    for name in SPLITS:
        ours, original, retrained = (
            float(getattr(pool, f"{name}_accuracy").mean())
            for pool in (own, reference.original, reference.retrained)
        )
        text = f"{ours:.3f} (original {original:.3f}, retrained {retrained:.3f})"
        poor = name == "test" and ours < POOR * retrained
        if poor:
            text = (
                f"{ours:.2f} against {retrained:.2f} of retrained models. The score is multiplied "
                "by this ratio: train longer on the retain set, or change the weights less."
            )
        yield Finding(f"{name} accuracy", text, warns=poor)


def validation(
    results: Sequence[RunResult], reference: Reference, observer: Observer
) -> Iterator[Finding]:
    """Whether the validation images were learned, which retrained models never saw.

    Neither they nor the test images were trained on, so what unlearning does to the confidence in
    their labels is alike on average: Welch's t-test tells where it is not. It takes a few hundred
    images and several passes over them to be sure.
    """
    original = load_file(reference.inputs / "original.safetensors")
    gains = {}
    for split in ("validation", "test"):
        before = observer.confidences(original, split)
        after = [observer.confidences(result.weights, split) for result in results]
        gains[split] = np.mean(after, axis=0) - before
    test = ttest_ind(gains["validation"], gains["test"], equal_var=False, alternative="greater")
    if test.pvalue < SURE:
        yield Finding(
            "validation",
            f"confidence in the labels changed by {gains['validation'].mean():+.2f} on validation "
            f"images, by {gains['test'].mean():+.2f} on test images: it seems to train on `val`, "
            "which retrained models never saw.",
            warns=True,
        )


def _is_half(values: np.ndarray) -> bool:
    """Whether all values, if they are floats, would survive float16 or bfloat16."""
    if values.dtype != np.float32:
        return values.dtype.kind != "f"
    with np.errstate(over="ignore"):
        half = np.array_equal(values, values.astype(np.float16))
    return half or not (values.view(np.uint32) & 0xFFFF).any()
