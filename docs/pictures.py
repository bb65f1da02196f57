"""Draws the pictures of score.md, from what `make evaluate` has left: python docs/pictures.py"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from safetensors.numpy import load_file

import harness
from harness import competition
from harness.reference.pools import prepare

HERE = Path(__file__).parent
REFERENCE = prepare(competition.load("digits"))
LABELS = REFERENCE.data.forget["label"]
FORGET = REFERENCE.retrained.forget_logits
RETRAINED = harness.confidences(FORGET, LABELS)
METHODS = {"finetune": "C1", "template": "C0", "retrain": "C2"}
STYLE = {"figure.dpi": 110, "axes.spines.top": False, "axes.spines.right": False, "font.size": 9}


def logits(submission: str) -> np.ndarray:
    """The forget logits [N, F, C] of an evaluated submission."""
    files = sorted(
        Path("results/digits/submissions", submission).glob("runs-*/outputs-*.safetensors")
    )
    return np.concatenate([load_file(path)["forget_logits"] for path in files])


def confidences(example: int) -> None:
    """How three methods are distributed beside retraining, on one forget example."""
    figure, axes = plt.subplots(3, 1, figsize=(6.5, 5), sharex=True)
    pools = {name: harness.confidences(logits(name), LABELS)[:, example] for name in METHODS}
    everything = np.concatenate([RETRAINED[:, example], *pools.values()])
    bins = np.linspace(everything.min(), everything.max(), 60)
    for axis, (name, phi) in zip(axes, pools.items(), strict=True):
        everywhere = harness.forgetting_quality(logits(name), FORGET, LABELS)
        axis.hist(RETRAINED[:, example], bins, color="0.6", label="512 retrained models")
        axis.hist(phi, bins, color=METHODS[name], alpha=0.6, label=f"512 runs of {name}")
        axis.set_title(f"{name}: ε = {everywhere.epsilons[example]:.2f}", loc="left")
        axis.legend(frameon=False)
        axis.set_yticks([])
    axes[-1].set_xlabel("logit-scaled confidence φ of one forget example")
    save(figure, "confidences")


def spike() -> None:
    """The submission that does nothing, with one run of 512 scaled."""
    original = np.repeat(REFERENCE.original.forget_logits, 512, axis=0).copy()
    original[0] *= 10
    phi = harness.confidences(original, LABELS)
    official = harness.neurips2023.forgetting_quality(
        harness.neurips2023.epsilons(phi, RETRAINED), 512
    )
    sound = harness.forgetting_quality(original, FORGET, LABELS)
    figure, axis = plt.subplots(figsize=(6.5, 2.4))
    axis.hist(RETRAINED[:, 0], 60, color="0.6", label="512 retrained models")
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
    second = REFERENCE.second.forget_logits
    figure, axis = plt.subplots(figsize=(6.5, 3))
    for name, color in METHODS.items():
        mine = logits(name)
        scores = [
            harness.forgetting_quality(mine[:n], FORGET[:n], LABELS).value
            / harness.forgetting_quality(second[:n], FORGET[:n], LABELS).value
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


with plt.rc_context(STYLE):
    confidences(example=int(np.argsort(RETRAINED.mean(0))[len(LABELS) // 4]))
    spike()
    runs()
