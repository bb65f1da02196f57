"""Runs and retraining on a real cluster of two workers, one of which dies, as on one machine."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from harness import competition
from harness.__main__ import main
from harness.competition import CompetitionError
from harness.store import Store
from harness.workers import Workers
from reference.pools import cached, prepare
from tests.small import small_toml

ROOT = Path(__file__).parents[1]
RUNS = 64
SLOW = """
import time, torch

def unlearning(net, retain, forget, val):
    time.sleep(0.05)
    with torch.no_grad():
        net.fc.bias.add_(0.3 * torch.randn(10))
"""
TIMES = ["seconds_per_run", "retrain_fraction", "evaluated_at", "flags"]


def start(*words: str, **options) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        text=True,
        **options,
    )


@pytest.fixture
def cluster(tmp_path) -> Iterator[tuple[str, list[subprocess.Popen]]]:
    """The address of a scheduler, and its two workers, which lie in folders of their own."""
    scheduler = start(
        "distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard", "--host", "127.0.0.1",
        stderr=subprocess.PIPE,
    )  # fmt: skip
    assert scheduler.stderr is not None
    address = next(m[0] for line in scheduler.stderr if (m := re.search(r"tcp://\S+:\d+", line)))
    workers = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        worker = start(
            "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny",
            "--no-dashboard",
            cwd=tmp_path / name,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        workers.append(worker)
    yield address, workers
    for process in (*workers, scheduler):
        process.terminate()
        process.wait()
    scheduler.stderr.close()


@pytest.fixture
def workspace(tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "workspace"
    folder.mkdir()
    monkeypatch.chdir(folder)
    small_toml(folder)
    Path("mine.py").write_text(SLOW)
    return folder


def evaluate(*words: str) -> list[str]:
    return ["evaluate", "--competition", "small.toml", "--runs", str(RUNS), "mine.py", *words]


def board() -> pd.DataFrame:
    return pd.read_csv("results/small/leaderboard.csv").drop(columns=TIMES)


def test_a_cluster_that_loses_a_worker_gives_the_leaderboard_of_one_machine(workspace, cluster):
    address, (one, two) = cluster
    assert main(evaluate()) == 0
    alone = board()
    outputs = {path.name: path.read_bytes() for path in Path("results").rglob("outputs-*")}
    log = Path("results/small/mine/log.txt").read_text().splitlines()
    shutil.rmtree("results")
    process = start("harness", *evaluate("--cluster", address), stderr=subprocess.DEVNULL)
    while not list(Path("results").rglob("outputs-*")):  # two batches are done, of four
        time.sleep(0.02)
        assert process.poll() is None
    assert psutil.Process(one.pid).children(), "the sandbox is not on the worker"
    one.send_signal(signal.SIGKILL)
    assert process.wait() == 0
    pd.testing.assert_frame_equal(board(), alone)
    assert {p.name: p.read_bytes() for p in Path("results").rglob("outputs-*")} == outputs
    again = Path("results/small/mine/log.txt").read_text().splitlines()
    assert [line.split(":")[0] for line in again if line.startswith("run ")] == [
        line.split(":")[0] for line in log if line.startswith("run ")
    ]
    for _ in range(100):
        if not (left := psutil.Process(two.pid).children()):
            break
        time.sleep(0.1)
    assert not left, "the worker keeps a sandbox of an evaluation that is over"


def test_a_reference_trained_on_a_cluster_is_that_of_one_machine(workspace, cluster):
    address, _ = cluster
    settings = competition.load("small.toml", runs=RUNS)
    here = prepare(settings, progress=False, workers=Workers(1))
    kept = Store(here.folder / "pools"), Store(here.inputs)
    shutil.move("reference", "alone")
    prepare(settings, progress=False, workers=Workers(cluster=address))
    there = cached(settings)
    for name in ("original", "retrained", "second"):
        ours, theirs = (getattr(r, name).arrays() for r in (here, there))
        assert all(np.array_equal(ours[key], theirs[key]) for key in ours), name
    assert kept[1].checksum("original") == Store(there.inputs).checksum("original")


def test_a_failing_submission_gets_its_verdict_from_a_cluster(workspace, cluster, capsys):
    Path("mine.py").write_text("def unlearning(net, retain, forget, val): net.no_such_layer")
    assert main(evaluate("--cluster", cluster[0])) == 1
    assert "mine: crashed\nrun 0: Traceback" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--cluster", "tcp://127.0.0.1:9"], "no cluster at tcp://127.0.0.1:9: start `dask"),
        (["--workers", "0"], "workers = 0 has to be positive"),
    ],
)
def test_workers_that_cannot_be_are_the_hosts_fault(workspace, capsys, words, complaint):
    assert main(["reference", "--competition", "small.toml", *words]) == 2
    assert complaint in capsys.readouterr().err


def test_a_count_and_a_cluster_exclude_each_other(capsys):
    with pytest.raises(SystemExit):
        main(evaluate("--workers", "2", "--cluster", "tcp://127.0.0.1:8786"))
    assert "not allowed with" in capsys.readouterr().err


def test_workers_are_as_many_as_asked_for_or_as_there_are_cores():
    assert Workers(3).here == 3
    assert Workers().here >= 1
    with pytest.raises(CompetitionError, match="workers = -1"):
        Workers(-1)
