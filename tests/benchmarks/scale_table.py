"""The scale of the metrics on Gaussian confidences: a change of any metric shows here at once.

python -m tests.benchmarks.scale_table [examples]
"""

from __future__ import annotations

import sys

import numpy as np

from harness.epsilon import METRIC_VERSION, forgetting_quality, neurips2023

MODELS = 512
PANELS = (("confidence",), ("confidence", "gaussian", "kernel"))


def unlearned_pool(case: str, rng: np.random.Generator, examples: int) -> np.ndarray:
    """Confidences in standard deviations of the retrained ones, which are standard normal."""
    z = rng.normal(size=(MODELS, examples))
    match case.split():
        case ["mean", amount]:
            return z + float(amount)
        case ["sd", factor]:
            return z * float(factor)
        case ["half", "shifted"]:
            z[: MODELS // 2] += 1
        case ["two", "modes"]:
            return rng.choice([-1.0, 1.0], z.shape) + 0.3 * z
        case ["quarter", "identical"]:
            z[: MODELS // 4] = 0
        case ["spike"]:
            z[:] = 0.5
    return z


CASES = {
    "same": "same",
    "mean 0.25": "mean shifted 0.25 sd",
    "mean 0.5": "0.5 sd",
    "mean 1": "1 sd",
    "mean 2": "2 sd",
    "sd 0.5": "sd × 0.5",
    "sd 0.75": "sd × 0.75",
    "sd 2": "sd × 2",
    "half shifted": "half the runs shifted 1 sd",
    "two modes": "two modes at ±1 sd, each of 0.3 sd",
    "quarter identical": "a quarter of the runs identical, at the mean",
    "spike": "spike exploit (511 equal, one × 10)",
}


def main() -> None:
    examples = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    print(
        f"Metric version {METRIC_VERSION}; Gaussian confidences, sd 1.5 logits around 3, "
        f"N = {MODELS}, {examples} examples\n"
    )
    names = [" + ".join(panel) for panel in PANELS]
    print(f"| unlearned against retrained | 2023 rule | {' | '.join(names)} |")
    print("|---|---|" + "---|" * len(names))
    for case, title in CASES.items():
        rng = np.random.default_rng(0)
        retrained = 3 + 1.5 * rng.normal(size=(MODELS, examples))
        unlearned = 3 + 1.5 * unlearned_pool(case, rng, examples)
        if case == "spike":
            unlearned[0] *= 10
        official = neurips2023.epsilons(unlearned, retrained)
        figures = [neurips2023.forgetting_quality(official, MODELS)]
        figures += [forgetting_quality(unlearned, retrained, attackers=p).value for p in PANELS]
        print(f"| {title} | {' | '.join(f'{figure:.3f}' for figure in figures)} |", flush=True)


if __name__ == "__main__":
    main()
