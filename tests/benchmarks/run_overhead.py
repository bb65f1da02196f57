"""What the sandbox and the scheduling add to 512 runs of one epoch of fine-tuning.

python -m tests.benchmarks.run_overhead [runs] [repeats]
"""

import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from joblib import Parallel, cpu_count, delayed

from harness.sandbox.host import Process, Zygote

if TYPE_CHECKING:
    from harness.reference.pools import Reference

SUBMISSION = Path("submissions/finetune.py")
ROW = "row"
BLOCKS = 8  # in turns, as the machine's speed changes within minutes


def bare_loop(reference: "Reference", runs: int) -> float:
    """Seconds of the same work in this process: no isolation, nothing stored, one core."""
    import torch
    from safetensors.torch import load_file

    from harness import models
    from harness.batches import loader, read_split
    from harness.outputs import Observer
    from harness.runs import seed

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


def sandboxed(reference: "Reference", zygote: Zygote, count: int, folder: Path) -> float:
    """Seconds until so many runs are stored in `folder`, done as `make evaluate` does them."""
    from harness import submission as submissions
    from harness.outputs import Observer
    from harness.runs import perform

    observer = Observer(reference.competition.model, reference.data)
    limits = reference.competition.evaluation.limits
    submission = submissions.read(SUBMISSION)
    start = time.perf_counter()
    perform(submission, zygote, observer, limits, count, folder, "bench", progress=False)
    return time.perf_counter() - start


def server_start(reference: "Reference", zygote: Zygote) -> float:
    """Seconds until what the runs of a submission are forked from stands."""
    from harness import submission as submissions
    from harness.sandbox.host import Server

    start = time.perf_counter()
    with Server(
        submissions.read(SUBMISSION), zygote, reference.competition.evaluation.limits
    ) as server:
        assert server.level == "full", server.missing
        return time.perf_counter() - start


def row(runs: int) -> None:
    """Print a row of the table: as `make evaluate` begins, in a process of its own."""
    with Process() as process, tempfile.TemporaryDirectory() as folder:
        import torch

        import harness.evaluation  # noqa: F401  the guest has as long to start as this takes
        from harness import competition
        from harness.reference.pools import prepare

        torch.set_num_threads(1)
        reference = prepare(competition.load("digits"))
        cores = cpu_count()
        with (
            Zygote(reference.inputs, process=process) as zygote,
            Parallel(n_jobs=cores) as parallel,
        ):
            first = sandboxed(reference, zygote, 1, Path(folder, "first"))
            # A process imports at its first step what that takes.
            parallel([delayed(bare_loop)(reference, 1)] * cores)
            bare = beside = ours = 0.0
            for block in range(1, BLOCKS + 1):
                bare += bare_loop(reference, runs // BLOCKS)
                ours += sandboxed(reference, zygote, block * runs // BLOCKS, Path(folder, "runs"))
                shares = [delayed(bare_loop)(reference, runs // BLOCKS // cores)] * cores
                beside += max(parallel(shares))
                if block > 1:  # an evaluation has one server, not one a block
                    ours -= server_start(reference, zygote)
    share = bare / cores
    print(
        f"| {bare:.1f} | {share:.1f} | {beside:.1f} | {first:.2f} | {ours:.1f} "
        f"| {ours / share:.2f} | {(first + ours) / share:.2f} | {ours / beside:.2f} |",
        flush=True,
    )


def main(runs: int = 512, repeats: int = 3) -> None:
    """Print them, and their ratios, with and without what the first run waits for."""
    print(f"{runs} runs of {SUBMISSION}, {cpu_count()} cores\n")
    print(
        "| bare loop, s | divided by cores, s | bare loops side by side, s | first run, s "
        "| sandboxed, s | ratio | ratio with the first run | to loops side by side |"
    )
    print("|---|---|---|---|---|---|---|---|", flush=True)
    for _ in range(repeats):
        line = [sys.executable, "-m", "tests.benchmarks.run_overhead", ROW, str(runs)]
        subprocess.run(line, check=True)


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[2])
    if sys.argv[1:2] == [ROW]:
        row(int(sys.argv[2]))
    else:
        main(*map(int, sys.argv[1:]))
