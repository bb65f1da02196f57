"""A server's judgement when the machine runs short of memory, on real processes."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from harness.sandbox.guest import server as module
from harness.sandbox.guest.memory import Machine
from harness.sandbox.guest.server import Run, Server
from harness.sandbox.guest.template import Template
from harness.sandbox.walls import NoWalls, policy

LIMIT_MB = 1 << 20  # which none of them reaches


@pytest.fixture
def runs() -> Iterator[list[Run]]:
    """Three sleeping processes, the last of them the youngest."""
    with contextlib.ExitStack() as stack:
        found = []
        for age in (3, 2, 1):
            process = stack.enter_context(subprocess.Popen(["sleep", "60"]))
            stack.callback(process.kill)
            ends = [os.pidfd_open(process.pid), os.open(os.devnull, os.O_WRONLY), os.dup(0)]
            found.append(Run(process.pid, *ends, started=time.monotonic() - age))
        yield found


def serving(monkeypatch: pytest.MonkeyPatch, runs: list[Run], available_mb: float) -> Server:
    """A server with these runs, on a machine that has so much left and had 6,000 MiB at first."""
    ours, _ = socket.socketpair()
    monkeypatch.setattr(Machine, "now", lambda: Machine(8000, 6000, 0))
    server = Server(ours, Template(ours, 0), NoWalls.__new__(NoWalls), None, 60, LIMIT_MB, 1)
    server._orphans = lambda: set()  # type: ignore[method-assign]
    for run in runs:
        server.runs |= dict.fromkeys(run.fds, run)
        server.poll.register(run.status, 0)
    monkeypatch.setattr(Machine, "now", lambda: Machine(8000, available_mb, 0))
    return server


def uses(monkeypatch: pytest.MonkeyPatch, runs: list[Run], *figures: float) -> None:
    table = {run.pid: figure for run, figure in zip(runs, figures, strict=True)}
    monkeypatch.setattr(module.memory, "used_mb", lambda roots, *_: table[min(roots)])


def test_the_youngest_over_its_fair_share_is_ended(
    monkeypatch: pytest.MonkeyPatch, runs: list[Run]
) -> None:
    server = serving(monkeypatch, runs, policy.reserve_mb(8000) - 1)
    uses(monkeypatch, runs, 3000, 3000, 100)  # of 5,500 for three
    server._watch()
    assert [run.reason for run in runs] == ["", "over_share", ""]
    assert os.waitpid(runs[1].pid, 0)[1] == signal.SIGKILL
    server._watch()  # nobody else, as long as it is on its way out
    assert [run.reason for run in runs] == ["", "over_share", ""]


def test_where_nobody_has_too_much_the_youngest_has_to_start_again(
    monkeypatch: pytest.MonkeyPatch, runs: list[Run]
) -> None:
    server = serving(monkeypatch, runs, policy.reserve_mb(8000) - 1)
    uses(monkeypatch, runs, 100, 100, 100)
    server._watch()
    assert [run.reason for run in runs] == ["", "", "pressed"]


def test_as_long_as_the_reserve_is_there_nobody_is_ended(
    monkeypatch: pytest.MonkeyPatch, runs: list[Run]
) -> None:
    server = serving(monkeypatch, runs, policy.reserve_mb(8000) + 1)
    uses(monkeypatch, runs, 5000, 3000, 100)
    server._watch()
    assert [run.reason for run in runs] == ["", "", ""]
    assert all(run.peak_mb for run in runs)
