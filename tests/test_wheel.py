"""The wheel: one package with all that it needs, and nothing that was computed here."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import harness

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Runs the command of the wheel, which alone is importable, in an empty folder."""
    place, empty = (tmp_path_factory.mktemp(name) for name in ("installed", "empty"))
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--target"]
    subprocess.run([*pip, str(place), str(wheel)], check=True)

    def run(*words: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "harness", *words],
            cwd=empty,
            env=os.environ | {"PYTHONPATH": str(place)},
            capture_output=True,
            text=True,
        )

    run.folder = empty  # type: ignore[attr-defined]
    return run


def test_it_holds_one_package_and_nothing_computed(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"harness"}
    assert not [name for name in names if "cache" in name]
    tracked = subprocess.run(
        ["git", "ls-files", "harness", "reference", "submissions"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    wanted = {
        path if path.startswith("harness/") else f"harness/shipped/{path}"
        for path in tracked.stdout.split()
        if (ROOT / path).is_file()
    }
    assert wanted <= set(names)
    assert {"harness/py.typed", "harness/shipped/submissions/template.py"} <= wanted
    assert f"-{harness.__version__}-" in wheel.name


def test_it_starts_a_submission_and_knows_the_competitions_in_an_empty_folder(installed):
    assert installed("--version").stdout == f"harness {harness.__version__}\n"
    done = installed("evaluate")
    assert done.returncode == 2
    assert "start one: harness new mine" in done.stderr
    assert installed("new", "mine").returncode == 0
    template = (ROOT / "submissions/template.py").read_bytes()
    assert (installed.folder / "submissions/mine.py").read_bytes() == template
    assert "there are: casia_surf" in installed("report", "--competition", "none").stderr
    assert "evaluate something first" in installed("leaderboard").stderr
