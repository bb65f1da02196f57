"""What a GPU gives: how it starts in the sandbox, pools of ResNet-18, and runs that share it.

`make bench-gpu`, or `PYTHONPATH=. python3 -m tests.benchmarks.gpu` where nothing can be installed
and all that pyproject.toml requires is there. It ends within ten minutes: each step is a process
with a time limit of its own, so what hangs or fails costs one step. What it prints can stand in
BENCHMARKS.md as it is. On the CPU it is good only for the small sizes that the tests use.
"""

import argparse
import os
import signal
import subprocess
import sys
from pathlib import Path

# Seconds that each step may take; they and what starts the steps fit ten minutes.
LIMITS = {"machine": 30, "start": 80, "steps": 150, "pools": 150, "runs": 160}


def within(line: list[str], seconds: float) -> None:
    """Let a command print; end it, and what it started, if it takes longer."""
    step = subprocess.Popen(line, start_new_session=True)
    try:
        if code := step.wait(seconds):
            print(f"\n**This step failed with exit status {code}.**", flush=True)
    except subprocess.TimeoutExpired:
        print(f"\n**Ended after {seconds:g} s.**", flush=True)
    finally:
        if step.poll() is None:
            os.killpg(step.pid, signal.SIGKILL)
            step.wait()


def main(arguments: list[str] | None = None) -> None:
    """Take the steps, one process after another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=LIMITS, nargs="+", default=list(LIMITS))
    parser.add_argument("--competition", default="synthetic_faces")
    parser.add_argument("--epochs", type=int, default=1, help="of the recipe's (default: 1)")
    parser.add_argument("--models", type=int, default=32, help="trained together (default: 32)")
    parser.add_argument("--one-by-one", type=int, default=10, help="trained alone (default: 10)")
    parser.add_argument("--together", default="8,32", help="sizes of groups (default: 8,32)")
    parser.add_argument("--bfloat16", action="store_true", help="train groups in bfloat16")
    parser.add_argument(
        "--runs",
        default="1x4,4x16,16x64",
        help="how many at a time, and how many in all (default: 1x4,4x16,16x64)",
    )
    options = parser.parse_args(arguments)
    words = [
        f"--{name.replace('_', '-')}={value}"
        for name, value in vars(options).items()
        if name not in ("only", "bfloat16")
    ]
    words += ["--bfloat16"] * options.bfloat16
    for name in options.only:
        print(f"\n### {name}\n", flush=True)
        within([sys.executable, "-m", "tests.benchmarks._gpu_steps", name, *words], LIMITS[name])


if __name__ == "__main__":
    os.chdir(Path(__file__).parents[2])
    main()
