"""Fifty evaluations killed at random, their files damaged: the leaderboard is that of a quiet one.

python -m tests.benchmarks.random_kills [kills] [seed]

Too long for the tests. Each time an evaluation that has work to do (runs, and every other time a
part of the reference) loses one process to SIGKILL at a random moment: itself, one that trains the
reference, joblib's trackers, the zygote, a submission's server, a run, bubblewrap. Then one
stored file is cut short or has a byte flipped. Every tenth time, what a further evaluation makes of
it all is compared.
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

from tests.sandbox.test_faults import command_line, descendants, eventually
from tests.small import small_toml

ROOT = Path(__file__).parents[2]
PATIENCE = 120  # seconds until something waits for what is gone
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


def kill_one(chance: random.Random, folder: Path, within: float) -> tuple[str, float] | None:
    """Start an evaluation, end one of its processes: which, and the seconds until all was over.

    None if it ended by itself before.
    """
    with evaluation(folder) as process:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(1, within))
        family = [process.pid, *descendants(process.pid)]
        victim = chance.choice(family)
        said = "evaluator" if victim == process.pid else name_of(victim)
        if process.poll() is not None or not said:
            process.communicate()
            return None
        with contextlib.suppress(ProcessLookupError):
            os.kill(victim, signal.SIGKILL)
        start = time.monotonic()
        # Until whoever holds its end of the pipe is gone, not only the evaluator.
        _, errors = process.communicate(timeout=PATIENCE)
        seconds = time.monotonic() - start
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in family))
    eventually(lambda: not [*Path("/dev/shm").glob(f"*{process.pid}*")])
    expected = {-signal.SIGKILL} if victim == process.pid else {0, 2}
    assert process.returncode in expected, (said, process.returncode, errors)
    if process.returncode == 2:
        assert "error: " in errors, errors
        assert "Traceback" not in errors, errors
    message = errors.rpartition("error: ")[2].strip() if process.returncode == 2 else ""
    return f"{said}: exit {process.returncode} {message}".rstrip(), seconds


def name_of(pid: int) -> str:
    """What a process below the evaluator is; empty if it is gone."""
    words = command_line(pid).decode(errors="replace")
    kinds = ("bwrap", "setpriv", "guest.probe", "guest.zygote", "resource_tracker", "loky")
    return next((kind for kind in kinds if kind in words), words.replace("\0", " ")[:60])


def lose(chance: random.Random, folder: Path) -> None:
    """Give the next evaluation work: some of the runs, and perhaps a part of the reference."""
    for path in folder.glob("results/small/submissions/slow/*.json"):
        path.unlink()
    files = [*folder.glob("results/small/submissions/slow/runs-*/*.safetensors")]
    if chance.random() < 0.5:
        files += folder.glob("reference/cache/*/pools/*.safetensors")
    for path in files:
        if chance.random() < 0.5:
            path.unlink()


def damage_one(chance: random.Random, folder: Path) -> str:
    """Cut a stored file short or flip one of its bytes."""
    files = sorted(p for name in ("results", "reference") for p in (folder / name).rglob("*.saf*"))
    path = chance.choice(files)  # there are always the data that submissions see
    content = bytearray(path.read_bytes())
    if chance.random() < 0.5:
        del content[chance.randrange(len(content)) :]
    else:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)
    return f"damaged {path.name}"


def traces() -> set[str]:
    """What outlives processes: mounts and temporary folders."""
    found = {str(path) for path in Path(tempfile.gettempdir()).glob("unlearning-*")}
    return found | set(Path("/proc/mounts").read_text().splitlines())


def main(kills: int = 50, seed: int = 1) -> None:
    chance = random.Random(seed)
    before = traces()
    slowest = 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "submissions").mkdir()
        (folder / "submissions/slow.py").write_text(SUBMISSION)
        small_toml(folder)
        start = time.monotonic()
        expected = leaderboard(folder)
        quiet = time.monotonic() - start
        done = 0
        while done < kills:
            lose(chance, folder)
            if (killed := kill_one(chance, folder, quiet)) is None:
                continue
            done += 1
            said, seconds = killed
            slowest = max(slowest, seconds)
            damaged = damage_one(chance, folder)
            print(f"{done}: {said}; over after {seconds:.1f} s; {damaged}", flush=True)
            if done % 10 == 0:
                pd.testing.assert_frame_equal(leaderboard(folder), expected)
                assert not [*folder.rglob(".*.tmp")], "a file that was half written is left"
    assert traces() <= before, traces() - before
    print(f"{kills} kills, the same leaderboard, nothing left; over within {slowest:.0f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
