"""`make ablation`: what each part of the challenge's 8th-placed method adds, ours and published.

Published figures: Ahn et al. 2023, of the hidden faces by the 2023 rule. Neither the data nor the
model is theirs, so it is the order that can be compared, by rank correlation.
"""

import os
import sys
from pathlib import Path

import pandas as pd
from scipy.stats import spearmanr

from harness.evaluation import evaluate_all
from harness.sources import SHIPPED

HERE = Path(__file__).parent
NONE = {"REINIT": "", "NOISE": 0.0, "MSE": False, "CYCLES": 1, "SPARE": False}
# Each row adds to the one before, except the third, which replaces the second.
VARIANTS = {
    "fine-tune": (NONE, 0.0496),
    "random re-initialisation": (NONE | {"REINIT": "random"}, 0.0617),
    "chosen by Fisher instead": (NONE | {"REINIT": "fisher"}, 0.0486),
    "noise on images": (NONE | {"REINIT": "random", "NOISE": 0.01}, 0.0653),
    "MSE to logits": (NONE | {"REINIT": "random", "NOISE": 0.01, "MSE": True}, 0.0680),
    "3 cycles": (
        {"REINIT": "random", "NOISE": 0.01, "MSE": True, "CYCLES": 3, "SPARE": False},
        0.0856,
    ),
    "fc and shortcuts spared": (
        {"REINIT": "random", "NOISE": 0.01, "MSE": True, "CYCLES": 3, "SPARE": True},
        0.0969,
    ),
}
# Its Table 1: gradient ascent, the challenge's baseline, and the method at its best.
BASELINES = {"neggrad": 0.0001, "finetune": 0.0464, "stochastic_reinit": 0.1024}


def write_variants(folder: Path) -> dict[str, Path]:
    """A file for each variant: the shared source with its settings."""
    source = (HERE / "_ablated.py").read_text()
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for number, (name, (settings, _)) in enumerate(VARIANTS.items(), start=1):
        changed = source + "\n" + "\n".join(f"{k} = {v!r}" for k, v in settings.items()) + "\n"
        paths[name] = folder / f"variant_{number}.py"
        paths[name].write_text(changed)
    return paths


def move_to(folder: Path) -> None:
    """Work in a folder with results of its own, and with the cached references of this one."""
    cache = Path("reference/cache").resolve()
    cache.mkdir(parents=True, exist_ok=True)
    (folder / "reference").mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    if not Path("reference/cache").exists():
        Path("reference/cache").symlink_to(cache)


def table(rows: dict[str, dict], published: dict[str, float]) -> None:
    frame = pd.DataFrame({name: rows[name] for name in published}).T
    print("\n| variant | score | 95 % interval | strict | 2023 rule | published | forget | test |")
    print("|---|---|---|---|---|---|---|---|")
    for name, row in frame.iterrows():
        print(
            f"| {name} | {row.score:.4f} | {row.score_low:.4f}-{row.score_high:.4f} "
            f"| {row.strict_score:.4f} | {row.neurips2023_score:.4f} | {published[str(name)]:.4f} "
            f"| {row.forget_accuracy:.3f} | {row.test_accuracy:.3f} |"
        )
    for column in ("score", "strict_score", "neurips2023_score"):
        rank = spearmanr(frame[column].astype(float), list(published.values()))
        print(f"\nrank correlation of {column} with the published: {rank.statistic:.2f}")


def main(competition: str = "digits", runs: int | None = None) -> None:
    move_to(Path("results/ablation"))
    variants = write_variants(Path("variants"))
    paths = variants | {name: SHIPPED / f"submissions/{name}.py" for name in BASELINES}
    evaluated = evaluate_all(list(paths.values()), competition, runs)
    rows = {name: row.known() for name, row in zip(paths, evaluated, strict=True)}
    table(rows, {name: figure for name, (_, figure) in VARIANTS.items()})
    table(rows, BASELINES)


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:]))
