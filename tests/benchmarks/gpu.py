"""What a GPU gives: pools of ResNet-18 trained fused or one by one, and runs that share it.

`make bench-gpu` on a machine with one; on the CPU it takes days at its own size, and is only good
for small ones, as the tests use.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from harness import competition, data
from harness import submission as submissions
from harness.batches import Split, loader
from harness.competition import Competition
from harness.data import Data
from harness.device import device
from harness.epsilon import forgetting_quality
from harness.outputs import Observer
from harness.pool import Pool
from harness.reference import pools
from harness.reference.training import AT_ONCE, initialise, optimizer_of, seeds
from harness.runs import perform
from harness.sandbox.host import Zygote
from harness.store import Store
from harness.workers import Workers

PLAIN = 4  # of the pools of seeds, one that the reference does not use


def fused(settings: Competition, observed: Data, pool: int, models: int) -> Pool:
    """A pool as the reference trains it."""
    groups = range(-(-models // AT_ONCE))
    made = [
        pools.train_task(settings.model, settings.training, observed, (pool, i))[1] for i in groups
    ]
    return Pool.concatenate(made)[:models]


def plain(settings: Competition, observed: Data, models: int) -> Pool:
    """A pool as anyone would train it: one model at a time, from a DataLoader, in float32."""
    recipe = settings.training
    split = Split({name: torch.from_numpy(column) for name, column in observed.retain.items()})
    counts = torch.from_numpy(observed.retain["label"]).bincount()
    weight = (1 / counts).to(device()) if recipe.class_weighted else None
    trained = []
    for seed in seeds(recipe.seed, PLAIN, range(models)):
        net = initialise(settings.model, seed).train().to(device())
        torch.manual_seed(seed)
        batches = loader(split, recipe.batch_size, shuffle=True)
        optimizer = optimizer_of(recipe, net)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            optimizer, recipe.epochs * len(batches)
        )
        for _ in range(recipe.epochs):
            for inputs, targets in batches:
                optimizer.zero_grad()
                logits = net(inputs.to(device()))
                cross_entropy(logits, targets.to(device()), weight=weight).backward()
                optimizer.step()
                schedule.step()
        trained.append({name: tensor.cpu().numpy() for name, tensor in net.state_dict().items()})
    return Observer(settings.model, observed).weights(trained)


def timed(work: Callable[[], Pool]) -> tuple[Pool, float, float]:
    """What `work` gives, its seconds, and the GPU memory at its peak, in MiB."""
    if device().type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    start = time.perf_counter()
    pool = work()
    seconds = time.perf_counter() - start
    peak = torch.cuda.max_memory_allocated() / 2**20 if device().type == "cuda" else float("nan")
    return pool, seconds, peak


def compare_pools(settings: Competition, observed: Data, models: int, one_by_one: int) -> None:
    """Print models per hour, memory, accuracies and whether the attackers tell the two apart."""
    first, *of_first = timed(lambda: fused(settings, observed, pools.RETRAINED, models))
    second, *of_second = timed(lambda: fused(settings, observed, pools.SECOND, models))
    third, *of_third = timed(lambda: plain(settings, observed, one_by_one))
    print("| pool | models | models per hour | GPU memory, MiB | retain | forget | test |")
    print("|---|---|---|---|---|---|---|")
    rates = []
    for name, pool, (seconds, peak) in (
        ("fused", first, of_first),
        ("fused, again", second, of_second),
        ("one by one", third, of_third),
    ):
        rates.append(3600 * len(pool) / seconds)
        spread = " | ".join(
            f"{values.mean():.3f} ± {values.std():.3f}"
            for values in (pool.retain_accuracy, pool.forget_accuracy, pool.test_accuracy)
        )
        print(f"| {name} | {len(pool)} | {rates[-1]:.0f} | {peak:.0f} | {spread} |")
    print(f"\n{rates[1] / rates[2]:.1f} times as many models per hour fused as one by one.\n")
    labels, same = observed.forget["label"], second[:one_by_one]
    for name, pool in (("one by one", third), ("fused, again", same)):
        found = forgetting_quality(
            pool.forget_logits, first[:one_by_one].forget_logits, labels=labels
        )
        low, high = found.interval
        print(
            f"forgetting quality of {name} against fused: {found.value:.3f} ({low:.3f}-{high:.3f})"
        )


def compare_runs(settings: Competition, observed: Data, counts: list[tuple[int, int]]) -> None:
    """Print the seconds of one-epoch runs, so many at a time."""
    with tempfile.TemporaryDirectory() as folder:
        inputs = Store(Path(folder) / "inputs")
        pools.write_inputs(inputs, settings, observed)
        one = initialise(settings.model, settings.training.seed)
        inputs.put("original", {name: t.numpy() for name, t in one.state_dict().items()})
        print("\n| at a time | runs | seconds | seconds a run | times one at a time | isolation |")
        print("|---|---|---|---|---|---|")
        observer, slowest = Observer(settings.model, observed), 0.0
        with Zygote(inputs.folder) as zygote:
            for at_once, runs in counts:
                start = time.perf_counter()
                done = perform(
                    submissions.read(Path("submissions/finetune.py")),
                    zygote,
                    observer,
                    settings.evaluation.limits,
                    runs,
                    Path(folder) / f"runs-{at_once}",
                    b"bench",
                    workers=Workers(at_once),
                    progress=False,
                )
                seconds = time.perf_counter() - start
                slowest = slowest or seconds / runs
                print(
                    f"| {at_once} | {runs} | {seconds:.1f} | {seconds / runs:.2f} "
                    f"| {slowest * runs / seconds:.1f} | {done.isolation} |",
                    flush=True,
                )


def main(arguments: list[str] | None = None) -> None:
    """Print both comparisons; the plain ones are measured on fewer, and extrapolated."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--competition", default="synthetic_faces")
    parser.add_argument("--epochs", type=int, default=2, help="of the recipe's (default: 2)")
    parser.add_argument("--models", type=int, default=64, help="trained fused (default: 64)")
    parser.add_argument("--one-by-one", type=int, default=32, help="trained alone (default: 32)")
    parser.add_argument("--bfloat16", action="store_true", help="train the fused ones in bfloat16")
    parser.add_argument(
        "--runs",
        default="1x16,4x64,8x128,16x512",
        help="how many at a time, and how many in all (default: 1x16,4x64,8x128,16x512)",
    )
    options = parser.parse_args(arguments)
    settings = competition.load(options.competition)
    recipe = replace(settings.training, epochs=options.epochs, bfloat16=options.bfloat16)
    settings = replace(settings, training=recipe)
    observed = data.load(settings.dataset, settings.splits, settings.data)
    name = torch.cuda.get_device_name() if device().type == "cuda" else "CPU"
    print(
        f"{name}, {settings.model.architecture}, {len(observed.retain['label'])} retain images, "
        f"batch {recipe.batch_size}, {recipe.epochs} epochs, bfloat16 {recipe.bfloat16}\n"
    )
    compare_pools(settings, observed, options.models, options.one_by_one)
    counts = [tuple(map(int, pair.split("x"))) for pair in options.runs.split(",")]
    compare_runs(settings, observed, counts)  # type: ignore[arg-type]


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[2])
    main()
