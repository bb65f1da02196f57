"""Runs and retraining on a real cluster of two workers, one of which dies, as on one machine."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import numpy as np
import pandas as pd
import psutil
import pytest
from dask_jobqueue import SLURMCluster
from distributed.scheduler import KilledWorker
from joblib import delayed

from harness import competition
from harness.__main__ import main
from harness.competition import CompetitionError
from harness.reference.pools import prepare
from harness.workers import Workers

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


@contextlib.contextmanager
def running(*words: str, folder: Path | None = None) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(
        [sys.executable, "-m", *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    yield process
    process.kill()
    process.wait()


def joined(address: str, folder: Path) -> contextlib.AbstractContextManager[subprocess.Popen]:
    words = ["--nthreads", "1", "--no-nanny", "--no-dashboard"]
    return running("distributed.cli.dask_worker", address, *words, folder=folder)


@contextlib.contextmanager
def scheduled(folder: Path) -> Iterator[tuple[str, subprocess.Popen]]:
    """The address of a scheduler, and its process."""
    file = folder / "scheduler.json"
    words = ["--port", "0", "--no-dashboard", "--host", "127.0.0.1", "--scheduler-file", str(file)]
    with running("distributed.cli.dask_scheduler", *words) as scheduler:
        while not file.exists() or not file.read_text():
            assert scheduler.poll() is None
            time.sleep(0.1)
        yield json.loads(file.read_text())["address"], scheduler


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[tuple[str, subprocess.Popen]]:
    """The address of a scheduler, and its worker, which is in a folder of its own."""
    folder = tmp_path_factory.mktemp("one")
    with scheduled(folder) as (address, _), joined(address, folder) as worker:
        yield address, worker


@pytest.fixture
def second(cluster, tmp_path) -> Iterator[subprocess.Popen]:
    """Another worker of it."""
    with joined(cluster[0], tmp_path) as worker:
        yield worker


@pytest.fixture(scope="module")
def enough(trained, tmp_path_factory) -> Path:
    """A workspace with a reference that was trained here, of as many models."""
    folder = tmp_path_factory.mktemp("workspace")
    shutil.copytree(trained, folder, dirs_exist_ok=True)
    with contextlib.chdir(folder):
        prepare(competition.load("small.toml", runs=RUNS), progress=False, workers=Workers(1))
    return folder


@pytest.fixture
def workspace(enough, tmp_path, monkeypatch) -> Path:
    folder = tmp_path / "workspace"
    shutil.copytree(enough, folder)
    monkeypatch.chdir(folder)
    Path("mine.py").write_text(SLOW)
    Path("broken.py").write_text("def unlearning(net, retain, forget, val): net.no_such_layer")
    return folder


def evaluate(*words: str) -> list[str]:
    files = ["mine.py", "broken.py"]
    return ["evaluate", "--competition", "small.toml", "--runs", str(RUNS), *files, *words]


def made() -> tuple[dict[str, bytes], list[str]]:
    """The outputs of all runs, and the runs that the log tells of."""
    outputs = {path.name: path.read_bytes() for path in Path("results").rglob("outputs-*")}
    lines = Path("results/small/submissions/mine/log.txt").read_text().splitlines()
    return outputs, [line.split(":")[0] for line in lines if line.startswith("run ")]


def board() -> pd.DataFrame:
    rows = pd.read_csv("results/small/leaderboard.csv").drop(columns=TIMES)
    return rows[rows["status"] != "baseline"]


def sandboxes(worker: subprocess.Popen) -> list[psutil.Process]:
    return [p for p in psutil.Process(worker.pid).children() if p.status() != "zombie"]


def test_a_cluster_that_loses_a_worker_gives_the_leaderboard_of_one_machine(
    workspace, cluster, second, capsys
):
    address, first = cluster
    assert main(evaluate()) == 1
    alone = board(), made()
    assert list(alone[0]["status"]) == ["scored", "crashed"]
    shutil.rmtree("results/small/submissions")
    at_work = []

    def kill_in_the_middle() -> None:
        while not list(Path("results").rglob("outputs-*")):  # one batch is done, of four
            time.sleep(0.02)
        at_work.extend(sandboxes(second))
        second.kill()

    killer = threading.Thread(target=kill_in_the_middle)
    killer.start()
    assert main(evaluate("--cluster", address)) == 1
    killer.join()
    assert at_work, "there was no sandbox on the worker"
    assert "broken: crashed\n  | run 0: Traceback" in capsys.readouterr().out
    pd.testing.assert_frame_equal(board(), alone[0])
    assert made() == alone[1]
    deadline = time.monotonic() + 20
    while sandboxes(first):  # the evaluation is over
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_reference_trained_on_a_cluster_is_that_of_one_machine(workspace, cluster):
    settings = competition.load("small.toml", runs=10)
    here = prepare(settings, progress=False)
    weights = (here.inputs / "original.safetensors").read_bytes()
    shutil.rmtree("reference")
    there = prepare(settings, progress=False, workers=Workers(cluster=cluster[0]))
    for name in ("original", "retrained", "second"):
        ours, theirs = (getattr(reference, name).arrays() for reference in (here, there))
        assert all(np.array_equal(ours[key], theirs[key]) for key in ours), name
    assert (there.inputs / "original.safetensors").read_bytes() == weights


def works(report, told: Path) -> bool:
    """Whether what it reports is heard while it is at work."""
    report(0.25)
    deadline = time.monotonic() + 60
    while not told.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return told.exists()


def test_a_cluster_tells_how_far_its_calls_are(cluster, tmp_path):
    heard, told = [], tmp_path / "told"

    def hear(amount: float) -> None:
        heard.append(amount)
        told.touch()

    workers = Workers(cluster=cluster[0])
    with workers.joined(hear=hear) as report:
        assert list(workers.results([delayed(works)(report, told)])) == [True]
    assert heard == [0.25]


def failure(address: str, call: object) -> CompetitionError:
    workers = Workers(cluster=address)
    with pytest.raises(CompetitionError, match="continues from there") as raised, workers.joined():
        list(workers.results([call]))
    return raised.value


def test_a_task_that_kills_worker_after_worker_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setenv("DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES", "0")  # 3 without this
    with scheduled(tmp_path) as (address, _), joined(address, tmp_path):
        error = failure(address, delayed(os._exit)(1))
    assert isinstance(error.__cause__, KilledWorker)


def test_a_cluster_that_loses_its_scheduler_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr("harness.cluster.PATIENCE", 4)
    with scheduled(tmp_path) as (address, scheduler), joined(address, tmp_path):
        threading.Timer(3, scheduler.kill).start()
        assert "lost" in str(failure(address, delayed(time.sleep)(60)))


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--cluster", "tcp://127.0.0.1:9"], "no cluster at tcp://127.0.0.1:9: start `dask"),
        (["--workers", "0"], "workers = 0 must be positive"),
    ],
)
def test_workers_that_cannot_be_are_the_hosts_fault(workspace, capsys, words, complaint):
    assert main(evaluate(*words)) == 2
    assert complaint in capsys.readouterr().err


def test_a_count_and_a_cluster_exclude_each_other(capsys):
    with pytest.raises(SystemExit):
        main(evaluate("--workers", "2", "--cluster", "tcp://127.0.0.1:8786"))
    assert "not allowed with" in capsys.readouterr().err


def test_workers_are_as_many_as_asked_for_or_as_there_are_cores():
    assert Workers(3).at_once == 3
    assert Workers().at_once >= 1
    with pytest.raises(CompetitionError, match="workers = -1"):
        Workers(-1)


def script_of_the_documents() -> str:
    text = (ROOT / "docs/cluster.md").read_text()
    (block,) = re.findall(r"^    import sys\n(?:    .*\n|\n)+?(?=    python )", text, re.MULTILINE)
    return dedent(block)


def test_the_script_for_slurm_works_with_jobs_on_this_machine(workspace):
    """As dask-jobqueue's own tests do it; one worker in one job, on a smaller competition."""
    script = script_of_the_documents()
    for theirs, ours in (
        ("from dask_jobqueue import", "from dask_jobqueue.local import LocalCluster as"),
        ('queue="main",', ""),
        ('walltime="04:00:00",', ""),
        ("cores=16", "cores=1"),
        ("processes=16", "processes=1"),
        ("jobs=4", "jobs=1"),
        ("evaluate(path, ", 'evaluate(path, "small.toml", 10, '),
    ):
        assert script.count(theirs) == 1
        script = script.replace(theirs, ours)
    Path("on_slurm.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "on_slurm.py", "mine.py", "broken.py"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    scored, broken = done.stdout.splitlines()
    assert scored.startswith("mine scored 0."), done.stderr
    assert broken == "broken crashed None"


def test_the_job_for_slurm_asks_for_what_the_documents_say():
    arguments = script_of_the_documents().partition("SLURMCluster(")[2].partition(") as cluster")[0]
    with eval(f"SLURMCluster({arguments})", {"SLURMCluster": SLURMCluster}) as cluster:
        job = cluster.job_script()
    for asked in ("#SBATCH -p main", "--cpus-per-task=16", "-t 04:00:00", "--nworkers 16"):
        assert asked in job
    assert "--nthreads 1 " in job
