"""Inside: a server's loop, which forks a run on request, watches it and ends it."""

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
from harness.sandbox.walls import Walls, policy

_READY = b"ready"
RESULT = 3  # a run's descriptor for its result


@dataclass
class Run:
    """A child, and our ends of what ties it to the host and to us."""

    pid: int
    exited: int  # its pidfd
    status: int  # write end of the host's status pipe
    ready: int  # read end: one line from the child when its walls stand
    group: str = ""
    started: float | None = None
    looked: float = 0.0
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
    walls : Walls
        Around each run.
    groups : RunGroups, optional
        Of control; None where there are none.
    seconds : float
        Wall time of a run, from when its walls stand.
    memory_mb : int
        Memory of a run's processes together.
    """

    def __init__(
        self,
        control: socket.socket,
        walls: Walls,
        groups: RunGroups | None,
        seconds: float,
        memory_mb: int,
    ) -> None:
        self.control = control
        self.walls = walls
        self.groups = groups
        self.seconds = seconds
        self.memory_mb = memory_mb
        self.runs: dict[int, Run] = {}  # by each of their descriptors
        self.poll = select.poll()
        self.poll.register(control, select.POLLIN)

    def serve(self) -> int | None:
        """Until the host closes its end of `control`, or is gone.

        Returns
        -------
        int or None
            In the parent None, at the end. In each forked child the seed of its run: it goes on
            from here, so that no frame below it tells of other runs.
        """
        seed = None
        while seed is None:
            events = self._wait()
            for run in {id(run): run for run in self.runs.values()}.values():
                self._watch(run)
            # Last: a new run may get the descriptors of one that has just ended.
            if self.control.fileno() in events:
                message, fds, _, _ = socket.recv_fds(self.control, 64, 3)
                if not message:
                    break
                if self._start(*fds):
                    seed = int(message)
        self.runs.clear()  # which makes orphans of what still runs
        if seed is None:
            self._end_orphans()
        return seed

    def _wait(self) -> list[int]:
        """Until something happens; see to it where it concerns a run."""
        wait = policy.WATCH_SECONDS * 1000 if self.runs else None
        events = [fd for fd, _ in self.poll.poll(wait)]
        for fd in events:
            if run := self.runs.get(fd):
                self._attend(run, fd)
        return events

    def _start(self, result: int, output: int, status: int) -> bool:
        """Fork a run; True in the child, within its walls."""
        ready, tell = os.pipe()
        group = self.groups.make() if self.groups else ""
        pid = self.walls.fork()
        if pid == 0:
            self._become_a_run(result, output, tell, group)
            return True
        for fd in (result, output, tell):
            os.close(fd)
        run = Run(pid, os.pidfd_open(pid), status, ready, group)
        self.poll.register(run.exited, select.POLLIN)
        self.poll.register(run.ready, select.POLLIN)
        self.poll.register(run.status, 0)  # an error says that the host has closed its end
        self.runs |= dict.fromkeys(run.fds, run)
        return False

    def _become_a_run(self, result: int, output: int, tell: int, group: str) -> None:
        try:
            if self.groups:
                self.groups.enter(group)
            nothing = os.open(os.devnull, os.O_RDONLY)
            for fd, place in ((nothing, 0), (output, 1), (output, 2)):
                os.dup2(fd, place)
            self.walls.enter(keep=(result, tell))
            os.write(tell, _READY)
            os.close(tell)
            # The same for all runs, so that it does not tell how many others there are.
            if result != RESULT:
                os.dup2(result, RESULT)
                os.close(result)
        except BaseException as error:
            os.write(tell, f"{type(error).__name__}: {error}"[:1000].encode())
            os._exit(1)

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
        if text == _READY:
            run.started = time.monotonic()
        else:
            run.fault = text.decode() or "the child died before its walls stood"

    def _watch(self, run: Run) -> None:
        """End a run that has had its time or takes too much memory."""
        if run.started is None:
            return
        now = time.monotonic()
        if now - run.started > self.seconds:
            self._kill(run, "timeout")
            return
        if now - run.looked < policy.WATCH_SECONDS / 2:
            return  # something happened to another run
        run.looked = now
        used_mb = memory.used_mb(run.pid, self.memory_mb)
        run.peak_mb = max(run.peak_mb, used_mb)
        if used_mb > self.memory_mb:
            self._kill(run, "out_of_memory")

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
        _, status = os.waitpid(run.pid, 0)
        for fd in run.fds:
            del self.runs[fd]
            self._forget(fd)
        self._end_orphans()
        self.walls.clean(run.pid)
        if self.groups:
            killed, peak_mb = self.groups.leave(run.group)
            run.peak_mb = max(run.peak_mb, peak_mb)
            run.reason = run.reason or "out_of_memory" * killed
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
        if self.walls.contained:
            return
        alive = {run.pid for run in self.runs.values()}
        while (
            orphans := {pid for pid, parent in memory.parents().items() if parent == os.getpid()}
            - alive
        ):
            for pid in orphans:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
