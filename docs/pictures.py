"""Draws the pictures of score.md, from what `make evaluate` has left: python docs/pictures.py"""

from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from joblib import parallel_config
from safetensors.numpy import load_file

import harness
from harness import competition, scoring
from harness.epsilon import calibrated
from harness.pool import Pool
from harness.reference.pools import prepare

HERE = Path(__file__).parent
REFERENCE = prepare(competition.load("digits"))
LABELS = REFERENCE.data.forget["label"]
RETRAINED, SECOND = REFERENCE.retrained, REFERENCE.second
PHI = harness.confidences(RETRAINED.forget_logits, LABELS)
EXAMPLE = int(np.argsort(PHI.mean(0))[len(LABELS) // 4])
METHODS = {"finetune": "C1", "template": "C0", "retrain": "C2"}
STYLE = {"figure.dpi": 110, "axes.spines.top": False, "axes.spines.right": False, "font.size": 9}


def pool(submission: str) -> Pool:
    """The outputs of an evaluated submission's runs."""
    folder = Path("results/digits/submissions", submission)
    files = sorted(folder.glob("runs-*/outputs-*.safetensors"))
    return Pool.concatenate([Pool(**load_file(path)) for path in files])


def original(offset: np.ndarray) -> Pool:
    """The original model in all runs, with an offset [N, C] on its logits."""
    many = REFERENCE.original[np.zeros(len(offset), dtype=int)]
    centred = offset - offset.mean(axis=1, keepdims=True)
    return replace(
        many,
        forget_logits=many.forget_logits + offset[:, None].astype(np.float32),
        class_means=many.class_means + centred,
    )


def confidences() -> None:
    """How three methods are distributed beside retraining, on one forget example."""
    figure, axes = plt.subplots(3, 1, figsize=(6.5, 5), sharex=True)
    pools = {name: pool(name) for name in METHODS}
    phis = [harness.confidences(p.forget_logits, LABELS)[:, EXAMPLE] for p in pools.values()]
    bins = np.histogram_bin_edges(np.concatenate([PHI[:, EXAMPLE], *phis]), 60)
    for axis, phi, (name, own) in zip(axes, phis, pools.items(), strict=True):
        epsilon = scoring.quality(own, RETRAINED, LABELS).epsilons[EXAMPLE]
        axis.hist(PHI[:, EXAMPLE], bins, color="0.6", label="512 retrained models")
        axis.hist(phi, bins, color=METHODS[name], alpha=0.6, label=f"512 runs of {name}")
        axis.set_title(f"{name}: ε = {epsilon:.2f}", loc="left")
        axis.legend(frameon=False)
        axis.set_yticks([])
    axes[-1].set_xlabel("logit-scaled confidence φ of one forget example")
    save(figure, "confidences")


def calibration() -> None:
    """The original with an offset drawn for each run: seen raw, and calibrated."""
    noisy = original(np.random.default_rng(0).normal(size=(len(RETRAINED), 10)))
    figure, axes = plt.subplots(2, 1, figsize=(6.5, 4))
    found = scoring.quality(noisy, RETRAINED, LABELS).by_attacker.epsilons
    for axis, view in zip(axes, ("raw", "calibrated"), strict=True):
        phis = [
            harness.confidences(
                p.forget_logits if view == "raw" else calibrated(p.forget_logits, p.calibration),
                LABELS,
            )[:, EXAMPLE]
            for p in (RETRAINED, noisy)
        ]
        bins = np.histogram_bin_edges(np.concatenate(phis), 60)
        labels = ("512 retrained models", "512 runs: nothing unlearned, an offset each")
        for phi, color, label in zip(phis, ("0.6", "C3"), labels, strict=True):
            axis.hist(phi, bins, color=color, alpha=0.7, label=label)
        epsilon = max(e[EXAMPLE] for (_, seen), e in found.items() if seen == view)
        axis.set_title(f"{view} confidence: ε = {epsilon:.2f}", loc="left")
        axis.legend(frameon=False)
        axis.set_yticks([])
    save(figure, "calibration")


def spike() -> None:
    """The submission that does nothing, with one run of 512 scaled."""
    same = original(np.zeros((len(RETRAINED), 10)))
    same.forget_logits[0] *= 10
    phi = harness.confidences(same.forget_logits, LABELS)
    official = harness.neurips2023.forgetting_quality(
        harness.neurips2023.epsilons(phi, PHI), len(phi)
    )
    sound = scoring.quality(same, RETRAINED, LABELS)
    figure, axis = plt.subplots(figsize=(6.5, 2.4))
    axis.hist(PHI[:, 0], 60, color="0.6", label="512 retrained models")
    axis.hist(phi[:, 0], 60, color="C3", alpha=0.6, label="511 equal runs, and one × 10")
    axis.set_yscale("log")
    axis.set_title(
        f"nothing unlearned: 2023 rule {official:.3f}, forgetting quality here {sound.value:.4f}",
        loc="left",
    )
    axis.set_xlabel("logit-scaled confidence φ of one forget example")
    axis.legend(frameon=False)
    save(figure, "spike")


def runs() -> None:
    """The same submissions scored with fewer of their runs."""
    numbers = [32, 64, 128, 256, 512]
    figure, axis = plt.subplots(figsize=(6.5, 3))
    for name, color in METHODS.items():
        mine = pool(name)
        scores = [
            scoring.quality(mine[:n], RETRAINED[:n], LABELS).value
            / scoring.quality(SECOND[:n], RETRAINED[:n], LABELS).value
            for n in numbers
        ]
        axis.plot(numbers, scores, "o-", color=color, label=name)
    axis.set_xscale("log", base=2)
    axis.set_yscale("log")
    axis.set_xticks(numbers, numbers)
    axis.set_xlabel("runs and retrained models, N")
    axis.set_ylabel("score before utility")
    axis.legend(frameon=False)
    save(figure, "runs")


def save(figure: plt.Figure, name: str) -> None:
    (HERE / "pictures").mkdir(exist_ok=True)
    figure.tight_layout()
    figure.savefig(HERE / "pictures" / f"{name}.png")


if __name__ == "__main__":
    with plt.rc_context(STYLE), parallel_config(n_jobs=-1):
        confidences()
        calibration()
        spike()
        runs()
