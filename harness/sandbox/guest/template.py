"""Inside: the half of a server that forks the runs, and that learns nothing of them.

What a run inherits is this process's memory. So the seeds, the figures and the reports of other
runs are in another one: the server forks the template before its first run, and watches.
"""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Sequence
from typing import NamedTuple

from harness.sandbox.walls import Walls, kernel

READY = b"ready"
_FORK = b"fork"


class Template:
    """The template as its server sees it.

    Parameters
    ----------
    socket : socket
        A SOCK_SEQPACKET socket to the process.
    pid : int
        Of the process.
    """

    def __init__(self, socket: socket.socket, pid: int) -> None:
        self.pid = pid
        self._socket = socket

    def fork(self, descriptors: Sequence[int]) -> tuple[int, int]:
        """Fork a run that takes these; its number, and a pidfd."""
        socket.send_fds(self._socket, [_FORK], descriptors)
        answer, (exited,), _, _ = socket.recv_fds(self._socket, 64, 1)
        return int(answer), exited

    def wait(self, pid: int) -> int:
        """The wait status of a run that has ended."""
        self._socket.send(b"%d" % pid)
        return int(self._socket.recv(64))

    def end(self) -> None:
        """End it, and with it what it forked."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)


class Order(NamedTuple):
    """What a run is to do.

    Attributes
    ----------
    seed : int
    result : int
        Where it writes what came of it.
    tell : int
        Where it says `READY`, or why it cannot be.
    """

    seed: int
    result: int
    tell: int


def fork_runs(server: socket.socket, walls: Walls) -> Order | None:
    """Fork on request, until the server is gone.

    Returns
    -------
    Order or None
        In the template None, at the end. In each forked child, within its walls, what it is to do:
        it goes on from here, so that no frame below it tells of other runs.
    """
    kernel.die_with_parent(signal.SIGKILL)
    while message := _receive(server):
        what, descriptors = message
        if what != _FORK:
            server.send(b"%d" % os.waitpid(int(what), 0)[1])
            continue
        pid = walls.fork()
        if pid == 0:
            server.close()
            return _become_a_run(walls, *descriptors)
        for fd in descriptors:
            os.close(fd)
        exited = os.pidfd_open(pid)
        socket.send_fds(server, [b"%d" % pid], [exited])
        os.close(exited)
    return None


def _receive(server: socket.socket) -> tuple[bytes, list[int]] | None:
    message, descriptors, _, _ = socket.recv_fds(server, 64, 4)
    return (message, descriptors) if message else None


def _become_a_run(walls: Walls, result: int, output: int, tell: int, order: int) -> Order:
    """Shut this process in; the seed comes through `order`."""
    try:
        seed = int(os.read(order, 64))  # when the server has put it into its control group
        nothing = os.open(os.devnull, os.O_RDONLY)
        for fd, place in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(fd, place)
        walls.enter(keep=(result, tell))
        return Order(seed, result, tell)
    except BaseException as error:
        os.write(tell, f"{type(error).__name__}: {error}"[:1000].encode())
        os._exit(1)
