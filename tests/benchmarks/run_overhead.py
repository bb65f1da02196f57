"""What the sandbox and the scheduling add to 512 runs of one epoch of fine-tuning."""

import importlib.util
import os
import sys
import tempfile
import time
from pathlib import Path

import torch
from joblib import cpu_count
from safetensors.torch import load_file

from harness import competition, models
from harness import submission as submissions
from harness.data.batches import loader, read_split
from harness.outputs import Observer
from harness.runs import perform, seed
from harness.sandbox import WarmParent
from reference.pools import Reference, prepare

SUBMISSION = Path("submissions/finetune.py")


def bare_loop(reference: Reference, runs: int) -> float:
    """Seconds of the same work in this process: no isolation, nothing stored, one core."""
    spec = importlib.util.spec_from_file_location("bare", SUBMISSION)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model = reference.competition.model
    observer = Observer(model, reference.data)
    splits = [
        read_split(reference.inputs / f"{n}.safetensors")
        for n in ("retain", "forget", "validation")
    ]
    original = load_file(reference.inputs / "original.safetensors")
    start = time.perf_counter()
    for run in range(runs):
        net = models.build(model.architecture, **model.arguments)
        net.load_state_dict(original)
        torch.manual_seed(seed("bare", run))
        module.unlearning(net, *(loader(s, 64, shuffle=i < 2) for i, s in enumerate(splits)))
        observer.weights([{name: tensor.numpy() for name, tensor in net.state_dict().items()}])
    return time.perf_counter() - start


def sandboxed(reference: Reference, parent: WarmParent, runs: int) -> tuple[float, str]:
    """Seconds of the same runs as `make evaluate` does them, from nothing stored; the level."""
    observer = Observer(reference.competition.model, reference.data)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        result = perform(
            submissions.read(SUBMISSION),
            parent,
            observer,
            reference.competition.evaluation.limits,
            runs,
            Path(folder),
            "bench",
            progress=False,
        )
        return time.perf_counter() - start, result.isolation


def main(runs: int = 512, blocks: int = 2, repeats: int = 3) -> None:
    """Print the two, block by block in turn as the machine's speed changes, and their ratio."""
    torch.set_num_threads(1)
    reference = prepare(competition.load("digits"))
    print(f"{runs} runs of {SUBMISSION} in {blocks} blocks, {cpu_count()} cores\n")
    print(
        "| bare loop, s | divided by cores, s | sandboxed, s | ratio | start of the parent, s "
        "| ratio with it | isolation |"
    )
    print("|---|---|---|---|---|---|---|")
    for _ in range(repeats):
        with WarmParent(reference.inputs) as parent:
            start = time.perf_counter()
            sandboxed(reference, parent, 1)
            start = time.perf_counter() - start
            share = inside = 0.0
            for _ in range(blocks):
                share += bare_loop(reference, runs // blocks) / cpu_count()
                seconds, level = sandboxed(reference, parent, runs // blocks)
                inside += seconds
        print(
            f"| {share * cpu_count():.1f} | {share:.1f} | {inside:.1f} | {inside / share:.2f} "
            f"| {start:.1f} | {(inside + start) / share:.2f} | {level} |",
            flush=True,
        )


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[2])
    main(*map(int, sys.argv[1:]))
