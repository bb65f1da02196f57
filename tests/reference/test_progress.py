"""The reference's bar moves while models are being trained, and ends with all of them."""

import re
import threading
import time
from dataclasses import replace

import pytest
from joblib import delayed

from harness.reference.pools import prepare
from harness.reference.training import Bar, in_parallel
from harness.workers import SILENT, Workers
from tests.reference.test_pools import QUICK

SHORT = replace(
    QUICK,
    training=replace(QUICK.training, epochs=10),
    evaluation=replace(QUICK.evaluation, runs=10),  # the original and a group for each pool
)


def test_the_bar_moves_within_a_group_and_goes_on_from_what_is_kept(tmp_path, monkeypatch, capsys):
    def shown(workers: int) -> list[int]:
        prepare(SHORT, workers=Workers(workers))
        bar = r"reference: .*?(\d+)/65 models \[[\d:]+<([\d:?]+)\]"
        states = re.findall(bar, capsys.readouterr().err)
        assert any(":" in left for _, left in states)
        return [int(models) for models, _ in states]

    monkeypatch.chdir(tmp_path)
    first = shown(2)
    assert first == sorted(first)
    assert (first[0], first[-1]) == (0, 65)
    assert set(first) - {0, 1, 33, 65}
    for path in tmp_path.glob("reference/cache/*/pools/second-000*"):
        path.unlink()
    again = shown(1)
    assert (again[0], again[-1]) == (33, 65)
    assert set(again) - {33, 65}


def work(report, amounts, told):
    for amount in amounts:
        report(amount)
        time.sleep(0.6)
    deadline = time.monotonic() + 60
    while not told.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return told.exists()


@pytest.mark.parametrize("count", [1, 2])
def test_reports_are_heard_before_the_result(tmp_path, count):
    heard, told = [], tmp_path / "told"

    def hear(amount):
        heard.append(amount)
        told.touch()

    def calls(report):
        return (delayed(work)(report, [0.25, 0.5], told) for _ in range(2))

    assert list(in_parallel(Workers(count), [], calls, hear)) == [True, True]
    assert {0.25, 0.5} <= set(heard)
    assert threading.active_count() < 10


def test_what_is_heard_twice_is_not_counted_twice(capsys):
    with Bar("reference", 64, 0, True) as bar:
        for _ in range(3):  # a group that did not fit into a GPU's memory begins again
            bar.hear(30)
        assert bar.n == 64
        bar.finish(32)
        assert bar.n == 64


def test_what_is_finished_counts_whole(capsys):
    with Bar("reference", 64, 16, True) as bar:
        bar.hear(20)
        bar.finish(32)
        assert bar.n == 48


def test_nobody_listens_where_no_bar_is_shown():
    with Workers(1).joined() as report:
        assert report is SILENT
