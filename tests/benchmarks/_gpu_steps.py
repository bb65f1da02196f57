"""The steps of `tests.benchmarks.gpu`, which makes a process of each."""

import argparse
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from harness import competition, data
from harness import submission as submissions
from harness.batches import Split, loader
from harness.competition import LEVELS, Competition
from harness.data import Data
from harness.device import as_many_as_fit, device, gpus, let_go, places
from harness.epsilon import forgetting_quality
from harness.outputs import Observer
from harness.pool import Pool
from harness.reference import choice, pools
from harness.reference.steps import Examples, optimizer_of
from harness.reference.training import AT_ONCE, initialise, plain_seconds, seeds, train
from harness.runs import perform
from harness.sandbox.host import SandboxError, Server, Zygote
from harness.sandbox.host.levels import VARIABLE
from harness.store import Store
from harness.submission import Submission, Verdict
from harness.trimming import trimmed
from harness.workers import Workers

PLAIN = 4  # of the pools of seeds, one that the reference does not use
LOOK = b"""
from torch.nn.functional import cross_entropy
def unlearning(net, retain, forget, val):
    device = next(net.parameters()).device
    inputs, targets = next(iter(forget))
    cross_entropy(net(inputs.to(device)), targets.to(device)).backward()
    print(device)
"""


def machine(settings: Competition, observed: Data, options: argparse.Namespace) -> None:
    """What the figures are of."""
    cards = torch.cuda.get_device_name() if device().type == "cuda" else "CPU"
    query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        driver = subprocess.run(query, capture_output=True, text=True).stdout.split() or ["unknown"]
    except FileNotFoundError:
        driver = ["unknown"]
    recipe = settings.training
    print(
        f"{max(1, len(gpus()))} x {cards}, driver {driver[0]}, {os.cpu_count()} cores, "
        f"{platform.release()}, Python {platform.python_version()}, torch {torch.__version__}, "
        f"CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()}\n\n"
        f"{settings.name}: {settings.model.architecture}, {len(observed.retain['label'])} retain "
        f"images of {' x '.join(map(str, observed.retain['image'].shape[1:]))}, batch "
        f"{recipe.batch_size}, {recipe.optimizer}, {recipe.epochs} epochs, "
        f"bfloat16 {recipe.bfloat16}"
    )


@contextmanager
def inputs(settings: Competition, observed: Data) -> Iterator[Path]:
    """A competition's inputs, with an original model that was never trained."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder) / "inputs")
        pools.write_inputs(store, settings, observed)
        one = initialise(settings.model, settings.training.seed)
        store.put("original", {name: t.numpy() for name, t in one.state_dict().items()})
        yield store.folder


def start(settings: Competition, observed: Data, options: argparse.Namespace) -> None:
    """A forward and a backward pass at each isolation level: whether, and after how long."""
    print("| asked for | isolation | device | first run, s | second, s | within the clock, s |")
    print("|---|---|---|---|---|---|")
    look = Submission("look", Path("look.py"), LOOK, "", ())
    limits = settings.evaluation.limits
    with inputs(settings, observed) as folder:
        for level in reversed(LEVELS):
            os.environ[VARIABLE] = level
            with Zygote(folder) as zygote:
                try:
                    with Server(look, zygote, limits, device=device().type) as server:
                        spent = []
                        for seed in (1, 2):
                            begun = time.perf_counter()
                            run = server.run(seed)
                            spent.append(time.perf_counter() - begun)
                except (SandboxError, Verdict) as error:
                    print(f"| {level} | failed | {' '.join(str(error).split())[:300]} | | | |")
                    continue
            print(
                f"| {level} | {server.level} | {run.output.strip()} | {spent[0]:.2f} "
                f"| {spent[1]:.2f} | {run.seconds:.2f} |",
                flush=True,
            )


def measured(way: choice.Way, rows: torch.Tensor) -> tuple[float, float]:
    """Seconds of a step, and GPU memory at its peak in MiB."""
    let_go()
    on_gpu = device().type == "cuda"
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
    seconds = choice.step_seconds(way(), rows)
    return seconds, torch.cuda.max_memory_reserved() / 2**20 if on_gpu else float("nan")


def steps(settings: Competition, observed: Data, options: argparse.Namespace) -> None:
    """A step of one model, by how many are trained together and in which way."""
    recipe, retain = settings.training, observed.retain
    each = -(-len(retain["label"]) // recipe.batch_size)
    all_steps = 512 * competition.load(options.competition).training.epochs * each
    images, labels = (torch.from_numpy(retain[name]) for name in ("image", "label"))
    print(f"Hours are for 512 models of {all_steps // 512} steps.\n")
    print("| way | models | kernels | us a step of a model | hours | GPU memory, MiB |")
    print("|---|---|---|---|---|---|")

    def line(way: str, models: object, kernels: str, seconds: float, peak: float) -> None:
        hours = all_steps * seconds / 3600
        print(
            f"| {way} | {models} | {kernels} | {1e6 * seconds:.0f} | {hours:.2f} | {peak:.0f} |",
            flush=True,
        )

    alone = plain_seconds(settings.model, recipe, retain) / recipe.epochs / each
    line("a plain loop over a DataLoader", 1, "whole", alone, float("nan"))
    for models in map(int, options.together.split(",")):
        members = [initialise(settings.model, seed) for seed in range(models)]
        for kernels, own in (("trimmed", trimmed(members, images[0])), ("whole", members)):
            wide = labels[:, None].expand(-1, models)
            examples = Examples(*(t.to(device()) for t in (images, wide, torch.ones(wide.shape))))
            rows = torch.randint(len(images), (recipe.batch_size, models)).to(device())
            for name, way in choice.ways(own, recipe, examples, all_steps).items():
                try:
                    seconds, peak = measured(way, rows)
                    line(name, models, kernels, seconds / models, peak)
                except Exception as error:
                    said = " ".join(str(error).split())[:200]
                    print(f"| {name} | {models} | {kernels} | {type(error).__name__}: {said} | | |")


def by_the_harness(settings: Competition, observed: Data, pool: int, models: int) -> tuple:
    """A pool as the reference trains it, and the seconds of its parts."""
    recipe, retain = settings.training, observed.retain
    images, labels = (torch.from_numpy(retain[name]) for name in ("image", "label"))
    observer = Observer(settings.model, observed)
    begun = time.perf_counter()
    for seed in range(models):
        initialise(settings.model, seed)
    first, trained, observed_ = time.perf_counter() - begun, 0.0, 0.0

    def work(own: list[int]) -> Pool:
        nonlocal trained, observed_
        began = time.perf_counter()
        group = train(settings.model, recipe, images, labels, own, whole=False)
        if device().type == "cuda":
            torch.cuda.synchronize()
        middle = time.perf_counter()
        made = observer.fused(group)
        trained, observed_ = trained + middle - began, observed_ + time.perf_counter() - middle
        return made

    drawn = seeds(recipe.seed, pool, range(models))
    made = [
        part
        for i in range(0, models, AT_ONCE)
        for part in as_many_as_fit(work, drawn[i : i + AT_ONCE])
    ]
    return Pool.concatenate(made), first, trained - first, observed_


def plain(settings: Competition, observed: Data, models: int) -> tuple:
    """A pool as anyone would train it, one model at a time from a DataLoader in float32."""
    recipe = settings.training
    split = Split({name: torch.from_numpy(column) for name, column in observed.retain.items()})
    counts = torch.from_numpy(observed.retain["label"]).bincount()
    weight = (1 / counts).to(device()) if recipe.class_weighted else None
    trained, first, begun = [], 0.0, time.perf_counter()
    for seed in seeds(recipe.seed, PLAIN, range(models)):
        began = time.perf_counter()
        net = initialise(settings.model, seed).train().to(device())
        first += time.perf_counter() - began
        torch.manual_seed(seed)
        batches = loader(split, recipe.batch_size, shuffle=True)
        optimizer = optimizer_of(recipe, net)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            optimizer, recipe.epochs * len(batches)
        )
        for _ in range(recipe.epochs):
            for images, targets in batches:
                optimizer.zero_grad()
                logits = net(images.to(device()))
                cross_entropy(logits, targets.to(device()), weight=weight).backward()
                optimizer.step()
                schedule.step()
        trained.append({name: tensor.cpu().numpy() for name, tensor in net.state_dict().items()})
    middle = time.perf_counter()
    made = Observer(settings.model, observed).weights(trained)
    return made, first, middle - begun - first, time.perf_counter() - middle


def compare_pools(settings: Competition, observed: Data, options: argparse.Namespace) -> None:
    """Models per hour, accuracies, and whether the attackers tell the two kinds apart."""
    print(
        "| pool | models | to initialise, s | to train, s | outputs, s | models per hour ", end=""
    )
    print("| retain | forget | test |")
    print("|---|---|---|---|---|---|---|---|---|")
    made = {}
    for name, way in (
        (
            "by the harness",
            lambda: by_the_harness(settings, observed, pools.RETRAINED, options.models),
        ),
        ("again", lambda: by_the_harness(settings, observed, pools.SECOND, options.models)),
        ("one by one", lambda: plain(settings, observed, options.one_by_one)),
    ):
        pool, *spent = way()
        made[name] = pool, 3600 * len(pool) / sum(spent)
        spread = " | ".join(
            f"{values.mean():.3f} ± {values.std():.3f}"
            for values in (pool.retain_accuracy, pool.forget_accuracy, pool.test_accuracy)
        )
        parts = " | ".join(f"{seconds:.1f}" for seconds in spent)
        print(f"| {name} | {len(pool)} | {parts} | {made[name][1]:.0f} | {spread} |", flush=True)
    print(f"\nThe first chose its way first: {', '.join(set(choice._known.values())) or 'one'}.")
    print(f"{made['again'][1] / made['one by one'][1]:.1f} times as many models per hour.\n")
    for name in ("one by one", "again"):
        n = options.one_by_one
        first, other = (made[key][0][:n].forget_logits for key in ("by the harness", name))
        found = forgetting_quality(other, first, labels=observed.forget["label"])
        low, high = found.interval
        print(f"- forgetting quality of {name}, {n} models against the first {n}: ", end="")
        print(f"{found.value:.3f} ({low:.3f}-{high:.3f})")


def runs(settings: Competition, observed: Data, options: argparse.Namespace) -> None:
    """The seconds of one-epoch runs, so many at a time."""
    observer, slowest = Observer(settings.model, observed), 0.0
    room = len(places(settings.evaluation.limits.gpu_memory_mb, observer.gpu_mb))
    print(
        "| at a time | runs | seconds | seconds a run | times one at a time | isolation | device |"
    )
    print("|---|---|---|---|---|---|---|")
    with inputs(settings, observed) as folder, Zygote(folder) as zygote:
        for pair in options.runs.split(","):
            asked, count = map(int, pair.split("x"))
            begun = time.perf_counter()
            done = perform(
                submissions.read(Path("submissions/finetune.py")),
                zygote,
                observer,
                settings.evaluation.limits,
                count,
                folder.parent / f"runs-{asked}",
                b"bench",
                workers=Workers(asked),
                progress=False,
            )
            seconds = time.perf_counter() - begun
            slowest = slowest or seconds / count
            print(
                f"| {min(asked, room or asked, count)} | {count} | {seconds:.1f} "
                f"| {seconds / count:.2f} | {slowest * count / seconds:.1f} | {done.isolation} "
                f"| {done.device} |",
                flush=True,
            )


STEPS = {
    "machine": machine,
    "start": start,
    "steps": steps,
    "pools": compare_pools,
    "runs": runs,
}


def main(arguments: list[str] | None = None) -> None:
    """Take one step; the options are those of `tests.benchmarks.gpu`."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=STEPS)
    for name in ("competition", "together", "runs"):
        parser.add_argument(f"--{name}")
    for name in ("epochs", "models", "one-by-one"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--bfloat16", action="store_true")
    options = parser.parse_args(arguments)
    settings = competition.load(options.competition)
    recipe = replace(settings.training, epochs=options.epochs, bfloat16=options.bfloat16)
    settings = replace(settings, training=recipe)
    observed = data.load(settings.dataset, settings.splits, settings.data)
    STEPS[options.step](settings, observed, options)


if __name__ == "__main__":
    main()
