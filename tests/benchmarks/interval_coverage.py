"""Simulation: how often the score's 95 % interval holds the score's mean, and rank groups err.

The confidences are Gaussian; models share a part of their deviation over all the examples, with
which examples correlate at 0.3, or as `--correlation` says. In every repetition all pools are new,
and the score's mean over the repetitions is what its interval should hold. Two submissions of the
same distribution are set against the same reference; putting them into different rank groups is a
false difference.

With `--attackers panel`, the whole of it, 200 repetitions of a case take more than an hour of two
cores. So the table is printed after every tenth, and with `--kept FOLDER` what was done before is
not done again.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from joblib import Memory, Parallel, cpu_count, delayed

from harness.epsilon.attackers import DEFAULT_PANEL
from harness.pool import Pool
from harness.scoring import Score, quality, rank_groups, score

# Shift, in standard deviations, and factor on the spread of the unlearned confidences.
CASES = {
    "same": (0, 1),
    "mean shifted 0.25 sd": (0.25, 1),
    "mean shifted 0.5 sd": (0.5, 1),
    "mean shifted 1 sd": (1, 1),
    "sd × 0.5": (0, 0.5),
    "sd × 2": (0, 2),
}
CORRELATION = 0.3


def pool(
    rng: np.random.Generator,
    models: int,
    examples: int,
    correlation: float,
    shift: float,
    scale: float,
) -> Pool:
    """Models of two classes whose confidences have a standard deviation of 1.5."""
    shared, own = rng.normal(size=(models, 1)), rng.normal(size=(models, examples))
    z = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own
    phi = 5 + 1.5 * (shift + scale * z)
    full = np.ones(models)
    means, scales = np.zeros((models, 2)), full  # the calibrated view is the raw one
    return Pool(np.stack([phi, 0 * phi], axis=2), phi[:, :0], *[full] * 4, means, scales)


def repetition(
    number: int,
    case: str,
    models: int,
    examples: int,
    correlation: float,
    attackers: Sequence[str],
) -> tuple[Score, Score]:
    """Two submissions of a case against a reference of their own."""
    sizes = models, examples, correlation
    labels = np.zeros(examples, dtype=int)
    rng = np.random.default_rng([number])
    retrained, second = pool(rng, *sizes, 0, 1), pool(rng, *sizes, 0, 1)
    ceiling = quality(second, retrained, labels, attackers)
    rng = np.random.default_rng([number, 1 + [*CASES].index(case)])
    first, other = (
        score(pool(rng, *sizes, *CASES[case]), retrained, ceiling, labels, attackers)
        for _ in range(2)
    )
    return first, other


def table(found: dict[str, list[tuple[Score, Score]]]) -> str:
    """For each case: how scores vary, how often intervals cover, how often groups err."""
    lines = [
        "\n| case | repetitions | mean score | sd | mean standard error | coverage "
        "| false differences |",
        "|---|---|---|---|---|---|---|",
    ]
    for case, pairs in found.items():
        scores = [one for pair in pairs for one in pair]
        values = np.array([one.value for one in scores])
        covered = np.mean([one.low <= values.mean() <= one.high for one in scores])
        error = np.mean([one.draws.std() for one in scores])
        split = [
            max(
                rank_groups(
                    [one.value for one in pair],
                    [one.draws for one in pair],
                    [one.at_floor for one in pair],
                )
            )
            > 1
            for pair in pairs
        ]
        lines.append(
            f"| {case} | {len(pairs)} | {values.mean():.3f} | {values.std():.4f} | {error:.4f} "
            f"| {covered:.1%} | {np.mean(split):.1%} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--models", type=int, default=512)
    parser.add_argument("--examples", type=int, default=50)
    parser.add_argument("--correlation", type=float, default=CORRELATION)
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--attackers", nargs="+", default=["confidence"])
    parser.add_argument(
        "--kept",
        metavar="FOLDER",
        help="where repetitions are kept; empty it when the metric changes",
    )
    args = parser.parse_args()
    if args.attackers == ["panel"]:
        args.attackers = list(DEFAULT_PANEL)
    print(
        f"{' + '.join(args.attackers)}; N = {args.models}, {args.examples} examples correlated "
        f"at {args.correlation}"
    )
    once = Memory(args.kept, verbose=0).cache(repetition)
    tasks = [(case, number) for number in range(args.repetitions) for case in args.cases]
    # Repetitions side by side, and within each one after another.
    every = Parallel(n_jobs=cpu_count(), return_as="generator")(
        delayed(once)(number, case, args.models, args.examples, args.correlation, args.attackers)
        for case, number in tasks
    )
    found: dict[str, list[tuple[Score, Score]]] = {case: [] for case in args.cases}
    for (case, number), pair in zip(tasks, every, strict=True):
        found[case].append(pair)
        if case == args.cases[-1] and ((number + 1) % 10 == 0 or number + 1 == args.repetitions):
            print(table(found), flush=True)


if __name__ == "__main__":
    main()
