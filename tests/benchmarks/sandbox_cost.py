"""What isolation costs: 512 short runs of one submission at level full and at none, and the ratio.

python -m tests.benchmarks.sandbox_cost [runs]
"""

import statistics
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from harness.sandbox.host import isolation_level
from tests.sandbox.small import LIMITS, at_level, unread, write_inputs

WORKERS = 2

# Some 50 ms: a few epochs of fine-tuning on 96 small images.
SHORT = """
import torch
def unlearning(net, retain, forget, val):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    for _ in range(4):
        for inputs, targets in retain:
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(inputs), targets).backward()
            optimizer.step()
"""
NOTHING = "def unlearning(net, retain, forget, val): pass"


def measure(level: str, text: str, inputs: Path, runs: int) -> dict[str, float]:
    """Seconds to start, of wall time and of processor time a run, and of the runs themselves."""
    begin = time.monotonic()
    with at_level(level, unread(text), inputs, LIMITS) as server:
        start = time.monotonic() - begin
        server.run(0)
        begin = time.monotonic()
        with ThreadPoolExecutor(WORKERS) as pool:
            results = list(pool.map(server.run, range(runs)))
        wall = time.monotonic() - begin
    return {
        "start": start,
        "wall": wall / runs,
        "run": statistics.median(result.seconds for result in results),
    }


def processor(level: str, text: str, inputs: Path, runs: int) -> float:
    """Seconds of processor time that one more run costs, with all that it entails.

    Of the whole machine: nobody waits for the servers that fork the runs, so no process is
    accounted for them.
    """

    def spent(count: int) -> float:
        before = psutil.cpu_times()
        measure(level, text, inputs, count)
        after = psutil.cpu_times()
        return after.user + after.system - before.user - before.system

    return (spent(runs) - spent(1)) / (runs - 1)


def main(runs: int) -> None:
    best, missing = isolation_level()
    print(f"{runs} runs, {WORKERS} at a time; this machine gives {best} {missing}")
    with tempfile.TemporaryDirectory() as folder:
        inputs = write_inputs(Path(folder))
        wall, cpu = {}, {}
        for level in dict.fromkeys((best, "none")):
            got = measure(level, SHORT, inputs, runs)
            wall[level] = got["wall"]
            cpu[level] = processor(level, SHORT, inputs, runs)
            empty = processor(level, NOTHING, inputs, runs)
            print(
                f"{level:8} start {got['start']:.2f} s; a run takes {got['wall'] * 1e3:.1f} ms of "
                f"wall time ({got['run'] * 1e3:.1f} ms by its own clock) and "
                f"{cpu[level] * 1e3:.1f} ms of processor time, an empty one {empty * 1e3:.1f} ms"
            )
        print(
            f"{best} / none: {wall[best] / wall['none']:.3f} of wall time (at most 1.1), "
            f"{cpu[best] / cpu['none']:.3f} of processor time"
        )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 512)
