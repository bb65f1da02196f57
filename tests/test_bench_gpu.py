"""The steps of `make bench-gpu` run through, on the CPU, at a size too small for figures."""

import re
import sys

import pytest

from harness.competition import PACKAGED
from tests.benchmarks._gpu_steps import main as steps
from tests.benchmarks.gpu import LIMITS, main, within

TINY = (
    (PACKAGED / "synthetic_faces.toml")
    .read_text()
    .replace("persons = 1000\nimages = 29 ", "persons = 40\nclasses = 3\nimages = 5 ")
    .replace("retain = 0.8", "retain = 0.6")
    .replace("share = 0.02", "share = 0.1")
    .replace('"resnet18"', '"small_resnet"')
    .replace("{ num_classes = 10 }", "{ channels = 3, classes = 3, widths = [4], stem_stride = 4 }")
    .replace("batch_size = 64", "batch_size = 16")
)


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> list[str]:
    path = tmp_path_factory.mktemp("bench") / "tiny.toml"
    path.write_text(TINY)
    sizes = ["--epochs=1", "--models=12", "--one-by-one=10", "--together=2", "--runs=1x2,2x4"]
    return [f"--competition={path}", *sizes]


def rows(printed: str) -> list[list[str]]:
    """The cells of the table that a step prints, without its head."""
    lines = [line for line in printed.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_a_step_of_a_model_is_timed_in_each_way(words, capsys):
    steps(["steps", *words])
    table = rows(capsys.readouterr().out)
    assert [row[:3] for row in table] == [
        ["a plain loop over a DataLoader", "1", "whole"],
        ["grouped, channels last", "2", "trimmed"],
        ["grouped, channels last", "2", "whole"],
    ]
    assert all(float(row[3]) > 0 for row in table)


def test_pools_are_compared_and_their_parts_are_timed_apart(words, capsys):
    steps(["pools", *words])
    printed = capsys.readouterr().out
    table = rows(printed)
    assert [row[:2] for row in table] == [
        ["by the harness", "12"],
        ["again", "12"],
        ["one by one", "10"],
    ]
    # A part of so little work may take no time that two digits show.
    assert all(sum(float(cell) for cell in row[3:6]) > 0 for row in table)
    assert len(re.findall(r"^- forgetting quality of .*: \d\.\d+ \(", printed, re.MULTILINE)) == 2


def test_runs_are_timed_so_many_at_a_time(words, capsys):
    steps(["runs", *words])
    table = rows(capsys.readouterr().out)
    assert [(row[0], row[1], row[6]) for row in table] == [("1", "2", "cpu"), ("2", "4", "cpu")]


def test_a_step_that_hangs_or_fails_costs_only_itself(capfd):
    within([sys.executable, "-c", "import time; print('begun', flush=True); time.sleep(60)"], 2)
    within([sys.executable, "-c", "raise SystemExit(3)"], 60)
    said = capfd.readouterr().out
    assert "begun\n\n**Ended after 2 s.**\n\n**This step failed with exit status 3.**" in said


def test_the_steps_fit_ten_minutes_and_begin_with_what_they_are_of(words, capfd):
    assert sum(LIMITS.values()) < 590
    main(["--only", "machine", *words])
    said = capfd.readouterr().out
    assert re.search(r"### machine\n\n1 x CPU, driver \S+, \d+ cores, .*torch 2\.", said)
    assert "tiny: small_resnet" in said
