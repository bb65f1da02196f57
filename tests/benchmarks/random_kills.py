"""Fifty evaluations killed at random, their files damaged: the leaderboard is that of a quiet one.

python -m tests.benchmarks.random_kills [kills] [seed]

Not a measurement, but too long for the tests: each time one process of an evaluation (itself, the
warm parent, a submission's server, a run, bubblewrap) gets SIGKILL at a random moment, and every
other time a stored file is cut short or has a byte flipped.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from tests.sandbox.test_faults import descendants
from tests.small import small_toml

ROOT = Path(__file__).parents[2]
TIMES = ["seconds_per_run", "retrain_fraction", "evaluated_at", "flags"]
SUBMISSION = """
import time, torch

def unlearning(net, retain, forget, val):
    time.sleep(0.3)
    net.fc.bias.data += 0.3 * torch.randn(10)
"""


def evaluation(folder: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "harness", "evaluate", "--competition", "small.toml"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def leaderboard(folder: Path) -> pd.DataFrame:
    with evaluation(folder) as process:
        _, errors = process.communicate()
    assert process.returncode == 0, errors
    return pd.read_csv(folder / "results/small/leaderboard.csv").drop(columns=TIMES)


def kill_one(chance: random.Random, folder: Path) -> str:
    """Start an evaluation, end one of its processes: its command's first words."""
    with evaluation(folder) as process:
        time.sleep(chance.uniform(1, 9))
        victim = chance.choice([process.pid, *descendants(process.pid)])
        try:
            words = Path(f"/proc/{victim}/cmdline").read_bytes().split(b"\0")
            print(f"   SIGKILL to {b' '.join(words).decode()[-100:]}", flush=True)
            os.kill(victim, signal.SIGKILL)
        except (ProcessLookupError, FileNotFoundError):
            words = [b"nothing"]
        process.communicate(timeout=120)  # else something waits for what is gone
    said = "evaluator" if victim == process.pid else b" ".join(words[:4]).decode()[-60:]
    return f"{said}, exit {process.returncode}"


def damage_one(chance: random.Random, folder: Path) -> str:
    """Cut a stored file short or flip one of its bytes."""
    files = sorted(p for name in ("results", "reference") for p in (folder / name).rglob("*.saf*"))
    path = chance.choice(files)
    content = bytearray(path.read_bytes())
    if chance.random() < 0.5:
        del content[chance.randrange(len(content)) :]
    else:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    return f"damaged {path.name}"


def traces() -> set[str]:
    """What nothing of ours may remain of: processes, mounts and temporary folders."""
    found = {str(path) for path in Path(tempfile.gettempdir()).glob("unlearning-*")}
    found |= set(Path("/proc/mounts").read_text().splitlines())
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if b"harness.sandbox.guest" in path.read_bytes():
                found.add(str(path))
    return found


def main(kills: int = 50, seed: int = 1) -> None:
    chance = random.Random(seed)
    before = traces()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "submissions").mkdir()
        (folder / "submissions/slow.py").write_text(SUBMISSION)
        small_toml(folder)
        expected = leaderboard(folder)
        for i in range(kills):
            print(f"{i + 1}: {kill_one(chance, folder)}", flush=True)
            if i % 2:
                print(f"   {damage_one(chance, folder)}", flush=True)
            if i % 10 == 9:
                pd.testing.assert_frame_equal(leaderboard(folder), expected)
                (folder / "results/small/slow/row-32.json").unlink()
                for path in (folder / "results").rglob("*-*.safetensors"):
                    path.unlink()
    time.sleep(5)
    assert traces() <= before, traces() - before
    print(f"{kills} kills, the same leaderboard, nothing left")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
