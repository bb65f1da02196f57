"""How far orders agree: the score's with other rules', and with itself on the other half of runs.

What `make evaluate` has left in `results/<competition>` is used; what is missing is run. The halves
are the even and the odd runs, against the even and the odd retrained models, each half with its own
ceiling.
"""

import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pandas as pd
from joblib import parallel_config
from safetensors.numpy import load_file
from scipy.stats import kendalltau

from harness import competition, leaderboard, metrics, names, scoring
from harness.epsilon import confidences
from harness.evaluation import evaluate_all
from harness.pool import Pool
from harness.reference.pools import prepare

RULES = (
    "neurips2023_score", "klom", "klom_half", "strict_score", "forget_distance", "test_accuracy"
)  # fmt: skip


def main(name: str = "digits") -> None:
    evaluate_all(names.find(Path("submissions")), name, retry=False)
    reference = prepare(competition.load(name))
    labels = reference.data.forget["label"]
    results = leaderboard.results_folder(name)
    frame = leaderboard.read(results / "leaderboard.csv")
    runs = frame["runs"].max()
    frame = frame[(frame["runs"] == runs) & (frame["status"] == "scored")]
    frame = frame.set_index("submission").drop(index="retrain", errors="ignore")
    target = float(reference.retrained.forget_accuracy.mean())
    frame["forget_distance"] = (frame["forget_accuracy"] - target).abs()

    # KLOM, with an empty bin of the retrained models taken for half a model.
    theirs = confidences(reference.retrained.forget_logits, labels)
    with patch.object(metrics, "_LEAST_SHARE", 0.5 / runs):
        frame["klom_half"] = [
            metrics.klom(confidences(_pool(results, each).forget_logits, labels), theirs).mean()
            for each in frame.index
        ]

    halves = {}
    with parallel_config(n_jobs=-1):
        for half, kept in enumerate((slice(0, runs, 2), slice(1, runs, 2))):
            retrained = reference.retrained[kept]
            ceiling = scoring.quality(reference.second[kept], retrained, labels)
            halves[half] = [
                scoring.score(_pool(results, each)[kept], retrained, ceiling, labels).value
                for each in frame.index
            ]
    print(f"{len(frame)} methods on {name}, N = {runs}: Kendall's tau of the order by score with\n")
    print("| the order by | tau |")
    print("|---|---|")
    for rule in RULES:
        falling = -1 if rule.startswith(("klom", "forget")) else 1  # the better, the smaller
        print(f"| {rule} | {_tau(frame['score'], falling * frame[rule]):.2f} |")
    print(f"| score: one half of the runs with the other | {_tau(*halves.values()):.2f} |")


def _tau(one: "pd.Series | list[float]", other: "pd.Series | list[float]") -> float:
    return float(kendalltau(np.array(one), np.array(other)).statistic)


def _pool(results: Path, submission: str) -> Pool:
    """The outputs of an evaluated submission's runs."""
    folder = leaderboard.submission_folder(results, submission)
    files = sorted(folder.glob("runs-*/outputs-*.safetensors"))
    return Pool.concatenate([Pool(**load_file(path)) for path in files])


if __name__ == "__main__":
    main(*sys.argv[1:])
