"""Inside: a server's loop, which has a run forked on request, watches it and ends it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import time
from dataclasses import dataclass, field

from harness.sandbox.guest import memory
from harness.sandbox.guest.groups import RunGroups
from harness.sandbox.guest.memory import Machine
from harness.sandbox.guest.template import READY, Template
from harness.sandbox.walls import Walls, policy


@dataclass
class Run:
    """A run's process, and our ends of what ties it to the host and to us."""

    pid: int
    exited: int  # its pidfd
    status: int  # write end of the host's status pipe
    ready: int  # read end: one line from the run when its walls stand
    group: str = ""
    started: float | None = None
    looked: float = 0.0
    reason: str = ""
    fault: str = ""
    used_mb: float = 0.0
    peak_mb: float = 0.0
    fds: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.fds = (self.exited, self.status, self.ready)


class Server:
    """Runs on request, any number at a time.

    Parameters
    ----------
    control : socket
        Each message is a seed, with the write ends of a result, an output and a status pipe.
    template : Template
        Forks the runs.
    walls : Walls
        Around each run.
    groups : RunGroups, optional
        Of control; None where there are none.
    seconds : float
        Wall time of a run, from when its walls stand.
    memory_mb, scratch_mb : int
        Memory of a run's processes together, and the size of each folder that it may fill.
    """

    def __init__(
        self,
        control: socket.socket,
        template: Template,
        walls: Walls,
        groups: RunGroups | None,
        seconds: float,
        memory_mb: int,
        scratch_mb: int,
    ) -> None:
        self.control = control
        self.template = template
        self.walls = walls
        self.groups = groups
        self.seconds = seconds
        self.memory_mb = memory_mb
        self.scratch_mb = scratch_mb
        self.runs: dict[int, Run] = {}  # by each of their descriptors
        self.at_first = Machine.now()
        self.socket_kb = policy.socket_kb(walls.fixed_buffers)
        self.reserve_mb = policy.reserve_mb(self.at_first.total)
        self.poll = select.poll()
        self.poll.register(control, select.POLLIN)

    def serve(self) -> None:
        """Until the host closes its end of `control`, or is gone."""
        while True:
            events = self._wait()
            self._watch()
            # Last: a new run may get the descriptors of one that has just ended.
            if self.control.fileno() in events:
                message, fds, _, _ = socket.recv_fds(self.control, 64, 3)
                if not message:
                    break
                self._start(message, *fds)
        self.template.end()
        self.runs.clear()  # which makes orphans of what still runs
        self._end_orphans()

    def _wait(self) -> list[int]:
        """Until something happens; see to it where it concerns a run."""
        wait = policy.WATCH_SECONDS * 1000 if self.runs else None
        events = [fd for fd, _ in self.poll.poll(wait)]
        for fd in events:
            if run := self.runs.get(fd):
                self._attend(run, fd)
        return events

    def _start(self, seed: bytes, result: int, output: int, status: int) -> None:
        ready, tell = os.pipe()
        order, give = os.pipe()
        group = self.groups.make() if self.groups else ""
        pid, exited = self.template.fork((result, output, tell, order))
        for fd in (result, output, tell, order):
            os.close(fd)
        with contextlib.suppress(ProcessLookupError, BrokenPipeError):
            # Where it was killed already, its pidfd will say so.
            if self.groups:
                self.groups.enter(group, pid)
            os.write(give, seed)
        os.close(give)
        run = Run(pid, exited, status, ready, group)
        self.poll.register(run.exited, select.POLLIN)
        self.poll.register(run.ready, select.POLLIN)
        self.poll.register(run.status, 0)  # an error says that the host has closed its end
        self.runs |= dict.fromkeys(run.fds, run)

    def _attend(self, run: Run, fd: int) -> None:
        if fd == run.ready:
            self._hear(run)
        elif fd == run.exited:
            self._finish(run)
        else:
            self._kill(run, "abandoned")

    def _hear(self, run: Run) -> None:
        text = os.read(run.ready, 4096)
        self._forget(run.ready)
        if text == READY:
            run.started = time.monotonic()
        else:
            run.fault = text.decode() or "it died before its walls stood"

    def _watch(self) -> None:
        """End runs that have had their time or take too much memory."""
        runs = [run for run in self._all() if run.started is not None]
        now = time.monotonic()
        for run in runs:
            if run.started is not None and now - run.started > self.seconds:
                self._kill(run, "timeout")
        due = [run for run in runs if now - run.looked >= policy.WATCH_SECONDS / 2]
        if not due:
            return  # something happened to another run
        machine = Machine.now()
        orphans = self._orphans()
        for run in due:
            run.looked = now
            self._weigh(run, machine, orphans)
        if machine.available < self.reserve_mb:
            self._relieve(runs)

    def _weigh(self, run: Run, machine: Machine, orphans: set[int]) -> None:
        """End a run whose processes take too much memory together.

        Orphans are of one of the runs, and of which cannot be told: they count for each.
        """
        files_mb = 2 * self.scratch_mb * len(self._all())
        hidden_mb = machine.shared - self.at_first.shared - files_mb - policy.HIDDEN_MB
        processes = {run.pid, *orphans}
        run.used_mb = memory.used_mb(processes, self.memory_mb, self.socket_kb, hidden_mb)
        run.peak_mb = max(run.peak_mb, run.used_mb)
        if run.used_mb > self.memory_mb or (self.groups and self.groups.killed(run.group)):
            self._kill(run, "out_of_memory")

    def _relieve(self, runs: list[Run]) -> None:
        """The machine runs short: end the youngest run over its fair share, or the youngest."""
        if any(run.reason for run in runs) or not runs:
            return  # one is on its way out
        fair_mb = (self.at_first.available - self.reserve_mb) / len(runs)
        greedy = [run for run in runs if run.used_mb > fair_mb]
        youngest = max(greedy or runs, key=lambda run: run.started or 0)
        self._kill(youngest, "over_share" if greedy else "pressed")

    def _kill(self, run: Run, reason: str) -> None:
        if run.reason:
            return  # it is on its way out
        run.reason = reason
        self.poll.unregister(run.status)
        signal.pidfd_send_signal(run.exited, signal.SIGKILL)

    def _finish(self, run: Run) -> None:
        if run.started is None and not run.fault:
            self._hear(run)
        seconds = time.monotonic() - (run.started or time.monotonic())
        status = self.template.wait(run.pid)
        for fd in run.fds:
            del self.runs[fd]
            self._forget(fd)
        if not self._end_orphans():
            run.reason = run.reason or "left_processes"
        self.walls.clean(run.pid)
        if self.groups:
            run.reason = run.reason or "out_of_memory" * self.groups.killed(run.group)
            run.peak_mb = max(run.peak_mb, self.groups.leave(run.group))
        report = {
            "exit": os.waitstatus_to_exitcode(status),
            "reason": run.reason,
            "fault": run.fault,
            "seconds": seconds,
            "peak_memory_mb": run.peak_mb,
        }
        with contextlib.suppress(BrokenPipeError):  # the host may no longer want to know
            os.write(run.status, json.dumps(report).encode())
        for fd in run.fds:
            os.close(fd)

    def _all(self) -> list[Run]:
        return [*{id(run): run for run in self.runs.values()}.values()]

    def _forget(self, fd: int) -> None:
        with contextlib.suppress(KeyError):
            self.poll.unregister(fd)

    def _orphans(self) -> set[int]:
        """Where no namespace ends a run's daemons, they have become our children."""
        if self.walls.contained:
            return set()
        mine = {pid for pid, parent in memory.parents().items() if parent == os.getpid()}
        return mine - {self.template.pid}

    def _end_orphans(self) -> bool:
        """Kill and bury them, with what they fork meanwhile; False if they are too fast for us."""
        deadline = time.monotonic() + policy.ORPHANS_SECONDS
        while orphans := self._orphans():
            for pid in orphans:
                with contextlib.suppress(ProcessLookupError):
                    # Its group at once, so that a chain of forks is cut; none of ours is in it.
                    os.killpg(os.getpgid(pid), signal.SIGKILL)
                    os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            if time.monotonic() > deadline:
                return False
        return True
