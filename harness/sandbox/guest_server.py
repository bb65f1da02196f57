"""Inside: the warm parent's loop, which forks a run on request, watches it and ends it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from harness.sandbox import guest_memory, policy
from harness.sandbox.guest_walls import Walls

_READY = b"ready"
_RESULT = 3  # a run's descriptor for its result


@dataclass
class _Run:
    """A child, and our ends of what ties it to the host and to us."""

    pid: int
    exited: int  # its pidfd
    status: int  # write end of the host's status pipe
    ready: int  # read end: one line from the child when its walls stand
    started: float | None = None
    reason: str = ""
    fault: str = ""
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
    execute : callable
        `execute(seed, result)`, called in the child within its walls; never returns.
    seconds : float
        Wall time of a run, from when its walls stand.
    memory_mb : int
        Memory of a run's processes together.
    """

    def __init__(
        self,
        control: socket.socket,
        walls: Walls,
        execute: Callable[[int, int], None],
        seconds: float,
        memory_mb: int,
    ) -> None:
        self.control = control
        self.walls = walls
        self.execute = execute
        self.seconds = seconds
        self.memory_mb = memory_mb
        self.runs: dict[int, _Run] = {}  # by each of their descriptors
        self.poll = select.poll()
        self.poll.register(control, select.POLLIN)

    def serve(self) -> None:
        """Until the host closes its end of `control`, or is gone."""
        while self._turn():
            pass
        self.runs.clear()  # which makes orphans of what still runs
        self._end_orphans()

    def _turn(self) -> bool:
        """Wait for something to happen and see to it; False when the host has gone."""
        wait = policy.WATCH_SECONDS * 1000 if self.runs else None
        events = [fd for fd, _ in self.poll.poll(wait)]
        for fd in events:
            if run := self.runs.get(fd):
                self._attend(run, fd)
        for run in {id(run): run for run in self.runs.values()}.values():
            self._watch(run)
        # Last: a new run may get the descriptors of one that has just ended.
        return self.control.fileno() not in events or self._accept()

    def _accept(self) -> bool:
        message, fds, _, _ = socket.recv_fds(self.control, 64, 3)
        if not message:
            return False
        result, output, status = fds
        ready, tell = os.pipe()
        pid = self.walls.fork()
        if pid == 0:
            self._be_a_run(int(message), result, output, tell)
        for fd in (result, output, tell):
            os.close(fd)
        run = _Run(pid, os.pidfd_open(pid), status, ready)
        self.poll.register(run.exited, select.POLLIN)
        self.poll.register(run.ready, select.POLLIN)
        self.poll.register(run.status, 0)  # an error says that the host has closed its end
        self.runs |= dict.fromkeys(run.fds, run)
        return True

    def _be_a_run(self, seed: int, result: int, output: int, tell: int) -> None:
        """In the child: put up the walls, say so, go. Never returns."""
        try:
            nothing = os.open(os.devnull, os.O_RDONLY)
            for fd, place in ((nothing, 0), (output, 1), (output, 2)):
                os.dup2(fd, place)
            self.walls.enter(keep=(result, tell))
            self.runs.clear()  # other runs are none of its business
            os.write(tell, _READY)
            os.close(tell)
            # The same for all runs, so that it does not tell how many others there are.
            if result != _RESULT:
                os.dup2(result, _RESULT)
                os.close(result)
        except BaseException as error:
            os.write(tell, f"{type(error).__name__}: {error}".encode())
            os._exit(1)
        self.execute(seed, _RESULT)

    def _attend(self, run: _Run, fd: int) -> None:
        if fd == run.ready:
            self._hear(run)
        elif fd == run.exited:
            self._finish(run)
        else:
            self._kill(run, "abandoned")

    def _hear(self, run: _Run) -> None:
        text = os.read(run.ready, 4096)
        self._forget(run.ready)
        if text == _READY:
            run.started = time.monotonic()
        else:
            run.fault = text.decode() or "the child died before its walls stood"

    def _watch(self, run: _Run) -> None:
        """End a run that has had its time or takes too much memory."""
        if run.started is None:
            return
        if time.monotonic() - run.started > self.seconds:
            self._kill(run, "timeout")
            return
        used_mb = guest_memory.used_mb(run.pid, self.memory_mb)
        run.peak_mb = max(run.peak_mb, used_mb)
        if used_mb > self.memory_mb:
            self._kill(run, "out_of_memory")

    def _kill(self, run: _Run, reason: str) -> None:
        if run.reason:
            return  # it is on its way out
        run.reason = reason
        self.poll.unregister(run.status)
        signal.pidfd_send_signal(run.exited, signal.SIGKILL)

    def _finish(self, run: _Run) -> None:
        if run.started is None and not run.fault:
            self._hear(run)
        seconds = time.monotonic() - (run.started or time.monotonic())
        _, status = os.waitpid(run.pid, 0)
        for fd in run.fds:
            del self.runs[fd]
            self._forget(fd)
        self._end_orphans()
        self.walls.clean(run.pid)
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

    def _forget(self, fd: int) -> None:
        with contextlib.suppress(KeyError):
            self.poll.unregister(fd)

    def _end_orphans(self) -> None:
        """Where no namespace ends a run's daemons, they have become our children."""
        if self.walls.namespaces:
            return
        alive = {run.pid for run in self.runs.values()}
        while (
            orphans := {
                pid for pid, parent in guest_memory.parents().items() if parent == os.getpid()
            }
            - alive
        ):
            for pid in orphans:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
