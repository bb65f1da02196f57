"""How often a first look is right: rows of few runs that it tells apart, and those of all runs.

From what `make evaluate` has left in `results/<competition>`. Each method is looked at by its last
runs, beside the first runs of the others, as `make check` looks at a file beside shipped rows.
"""

import sys

from joblib import parallel_config
from scipy.stats import kendalltau

from harness import competition, leaderboard, scoring
from harness.check.standing import apart
from harness.columns import Row
from harness.epsilon.attackers import panel
from harness.reference.pools import prepare
from tests.benchmarks.agreement import _pool


def main(name: str = "digits") -> None:
    settings = competition.load(name)
    reference = prepare(settings)
    labels = reference.data.forget["label"]
    results = leaderboard.results_folder(name)
    frame = leaderboard.read(results / "leaderboard.csv")
    frame = frame[(frame["runs"] == frame["runs"].max()) & (frame["status"] == "scored")]
    truth = frame.set_index("submission").assign(submission=lambda f: f.index).to_dict("index")
    pools = {method: _pool(results, method) for method in truth}
    attackers = tuple(panel(settings.evaluation.attackers, logits=False))

    print("| runs | pairs told apart | of these wrong | tau with all runs |")
    print("|---|---|---|---|")
    for runs in (10, 16, 32, 64):
        retrained = reference.retrained[:runs]
        with parallel_config(n_jobs=-1):
            ceiling = scoring.quality(reference.second[:runs], retrained, labels, attackers)
            first, last = (
                {
                    method: scoring.score(pool[part], retrained, ceiling, labels, attackers)
                    for method, pool in pools.items()
                }
                for part in (slice(runs), slice(-runs, None))
            )
        rivals = [_row(method, score, runs) for method, score in first.items()]
        told, wrong = 0, 0
        for method, score in last.items():
            others = [rival for rival in rivals if rival.submission != method]
            said_of = apart(_row(method, score, runs), others)
            for said, sign in zip(said_of, (1, -1), strict=True):
                told += len(said)
                for rival in said:
                    ahead = truth[rival.submission]["score"] - truth[method]["score"]
                    wrong += sign * ahead < 0
        order = [score.value for score in last.values()]
        tau = kendalltau(order, [row["score"] for row in truth.values()]).statistic
        pairs = len(truth) * (len(truth) - 1)
        print(
            f"| {runs} | {told / pairs:.0%} | {wrong / max(told, 1):.1%} | {tau:.2f} |", flush=True
        )


def _row(method: str, score: scoring.Score, runs: int) -> Row:
    return Row.read({"submission": method, "runs": runs, "status": "scored"} | score.figures())


if __name__ == "__main__":
    main(*sys.argv[1:])
