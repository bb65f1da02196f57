"""Inside: the zygote, which loads once, and its forks, the servers, one for each submission.

They are trusted and never execute submitted code: an at-fork hook there could count the runs.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.sandbox.guest import ahead
from harness.sandbox.guest.groups import RunGroups
from harness.sandbox.guest.server import Server
from harness.sandbox.guest.template import Template, fork_runs
from harness.sandbox.walls import WALLS, Walls, kernel, policy
from harness.sandbox.walls.forks import go_on_in_child

if TYPE_CHECKING:
    from harness.sandbox.guest.run import Start

Fds = Sequence[int]


def main(control_fd: int, setup_fd: int) -> None:
    """Load everything that runs share, then fork for each submission that comes.

    Parameters
    ----------
    control_fd : int
        A SOCK_SEQPACKET socket. The first message brings descriptors of `policy.INPUT_FILES`, each
        further one those that `serve` takes.
    setup_fd : int
        JSON, written by `host.process`.
    """
    with os.fdopen(setup_fd) as file:
        setup = json.load(file)
    walls = WALLS[setup["walls"]]
    walls.begin()
    # Not `with`: it would be closed before an error is printed, which the host then reads too soon.
    control = socket.socket(fileno=control_fd)
    if _left_alone(control):  # by a host that went before it could take this process along
        return
    # Late, so that all of torch's import happens in one place.
    from harness.sandbox.guest.run import draw_bars_as_text, import_training

    import_training()
    draw_bars_as_text()
    kernel.use_huge_pages()
    start = _load(control, walls)
    submission = _next_submission(control) if start else None
    control.close()
    if start and submission:
        serve(start, setup, *submission)


def serve(
    start: Start,
    setup: dict[str, Any],
    control: int,
    submission: int,
    complaints: int,
    *inputs: int,
) -> None:
    """Serve the runs of a submission.

    Parameters
    ----------
    setup : dict
        As the zygote got it.
    control : int
        A SOCK_SEQPACKET socket; see `Server`.
    submission : int
        JSON, written by `host.server`.
    complaints : int
        Where errors of our own are printed to.
    *inputs : int
        `policy.OWN_INPUTS` of this submission's, or none.
    """
    for fd in (1, 2):
        os.dup2(complaints, fd)
    os.close(complaints)
    with os.fdopen(submission) as file:
        job = json.load(file)
    ahead.import_for(job["imports"])
    if inputs:
        start = start.replaced([_content(fd) for fd in inputs])
    _freeze()
    _leave_threads()
    ahead.prove_clean()
    limits = job["limits"]
    bounds = limits["memory_mb"], limits["scratch_mb"], limits["processes"]
    walls = WALLS[setup["walls"]](setup["visible"], *bounds)
    requests = socket.socket(fileno=control)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if template := os.fork():
        theirs.close()
        group = setup["group"]  # version and folders
        groups = RunGroups(group[0], group[1], *bounds) if group else None
        hello = {
            "scratch": "" if walls.contained else walls.scratch,
            "memory": "capped" if groups else "watched",
        }
        with contextlib.suppress(BrokenPipeError):  # the host may be gone, as serve() will see
            requests.send(json.dumps(hello).encode())
        told = limits["seconds"], limits["memory_mb"], limits["scratch_mb"]
        Server(requests, Template(ours, template), walls, groups, *told).serve()
        walls.tear_down()
        return
    ours.close()
    requests.close()
    order = fork_runs(theirs, walls)
    if order:
        from harness.sandbox.guest.run import execute

        execute(start, job, order)


def _left_alone(control: socket.socket) -> bool:
    """Whether the host has closed its end."""
    poll = select.poll()
    poll.register(control, 0)
    return bool(poll.poll(0))


def _load(control: socket.socket, walls: type[Walls]) -> Start | None:
    """What all runs start from, when the host has sent it; None if the host is gone."""
    from harness.sandbox.guest.run import Start

    _, fds, _, _ = socket.recv_fds(control, 64, len(policy.INPUT_FILES))
    if not fds:
        return None
    files = dict(zip(policy.INPUT_FILES, map(_content, fds), strict=True))
    walls.show(files)
    start = Start.load(files)
    del files  # the tensors are copies
    _freeze()
    kernel.use_huge_pages()
    _leave_threads()
    ahead.prove_clean()
    return start


def _next_submission(control: socket.socket) -> Fds | None:
    """Fork for each submission: what `serve` takes in the children, None in the parent."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody needs to wait for the children
    while True:
        message, fds, _, _ = socket.recv_fds(control, 64, 3 + len(policy.OWN_INPUTS))
        if not message:
            break
        if os.fork() == 0:
            kernel.die_with_parent(signal.SIGKILL)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return fds
        for fd in fds:
            os.close(fd)
    with contextlib.suppress(ChildProcessError):
        os.wait()  # until the last of them has cleaned up
    return None


def _content(fd: int) -> bytes:
    with os.fdopen(fd, "rb") as file:
        return file.read()


def _freeze() -> None:
    """Children must not copy pages just because the collector walks over old objects."""
    gc.collect()
    gc.freeze()
    gc.disable()


def _leave_threads() -> None:
    """Leave threads that an import has started: forks and namespaces need a process of one."""
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        go_on_in_child()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
    # Not sys.exit: threads of imported libraries must not hold the sandbox up.
    os._exit(0)
