"""Simulation: how often the score's 95 % interval holds the score's mean, and rank groups err.

The confidences are Gaussian; models share a part of their deviation over all the examples, with
which examples correlate at 0.3. In every repetition all pools are new, and the score's mean over
the repetitions is what its interval should hold. Two submissions of the same distribution are
set against the same reference; putting them into different rank groups is a false difference.
"""

from __future__ import annotations

import argparse

import numpy as np

from harness.epsilon import forgetting_quality
from harness.pool import Pool
from harness.scoring import rank_groups, score

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


def pool(rng: np.random.Generator, models: int, examples: int, shift: float, scale: float) -> Pool:
    """Models of two classes whose confidences have a standard deviation of 1.5."""
    shared, own = rng.normal(size=(models, 1)), rng.normal(size=(models, examples))
    z = np.sqrt(CORRELATION) * shared + np.sqrt(1 - CORRELATION) * own
    phi = 5 + 1.5 * (shift + scale * z)
    full = np.ones(models)
    return Pool(np.stack([phi, 0 * phi], axis=2), phi[:, :0], full, full, full, full)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--models", type=int, default=512)
    parser.add_argument("--examples", type=int, default=50)
    parser.add_argument("--attackers", nargs="+", default=["confidence", "gaussian"])
    args = parser.parse_args()
    rng = np.random.default_rng(0)
    sizes = args.models, args.examples
    labels = np.zeros(args.examples, dtype=int)
    scores: dict[str, list] = {case: [] for case in CASES}
    split: dict[str, list[bool]] = {case: [] for case in CASES}
    for _ in range(args.repetitions):
        retrained, second = pool(rng, *sizes, 0, 1), pool(rng, *sizes, 0, 1)
        ceiling = forgetting_quality(
            second.forget_logits, retrained.forget_logits, labels, args.attackers
        )
        for case, (shift, scale) in CASES.items():
            pair = [
                score(pool(rng, *sizes, shift, scale), retrained, ceiling, labels, args.attackers)
                for _ in range(2)
            ]
            scores[case] += pair
            groups = rank_groups([one.value for one in pair], [one.draws for one in pair])
            split[case].append(max(groups) > 1)
    print(
        f"{' + '.join(args.attackers)}; N = {args.models}, {args.examples} examples correlated "
        f"at {CORRELATION}, {args.repetitions} repetitions\n"
    )
    print("| case | mean score | sd | mean standard error | coverage | false differences |")
    print("|---|---|---|---|---|---|")
    for case, found in scores.items():
        values = np.array([one.value for one in found])
        covered = np.mean([one.low <= values.mean() <= one.high for one in found])
        error = np.mean([one.draws.std() for one in found])
        print(
            f"| {case} | {values.mean():.3f} | {values.std():.4f} | {error:.4f} "
            f"| {covered:.1%} | {np.mean(split[case]):.1%} |"
        )


if __name__ == "__main__":
    main()
