"""Inside: the warm parent. It imports and loads once, then forks a run on request.

It is trusted and never executes submitted code: an at-fork hook there could count the runs.
"""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import json
import os
import signal
import socket
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from harness.sandbox import kernel
from harness.sandbox.guest_server import RESULT, Server
from harness.sandbox.guest_walls import Walls, go_on_in_child


def main(control_fd: int, setup_fd: int) -> None:
    """Serve runs over a socket.

    Parameters
    ----------
    control_fd : int
        A SOCK_SEQPACKET socket; see `Server`.
    setup_fd : int
        JSON, written by `harness.sandbox.sandbox`.
    """
    with os.fdopen(setup_fd) as file:
        setup = json.load(file)
    if setup["level"] == "full":
        # bubblewrap waits outside for this process and must not leave it behind.
        kernel.die_with_parent(signal.SIGKILL)
    control = socket.socket(fileno=control_fd)
    limits = setup["limits"]
    execute = _prepare(setup)
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        go_on_in_child()  # an import has started threads, and namespaces need one without
    walls = Walls(
        setup["level"],
        setup["visible"],
        limits["memory_mb"],
        limits["scratch_mb"],
        limits["processes"],
    )
    with contextlib.suppress(BrokenPipeError):  # the host may be gone, as serve() will see
        control.send(json.dumps({"scratch": "" if walls.namespaces else walls.scratch}).encode())
    seed = Server(control, walls, limits["seconds"], limits["memory_mb"]).serve()
    if seed is None:
        walls.tear_down()
    else:
        execute(seed, RESULT)


def _prepare(setup: dict[str, Any]) -> partial:
    """Everything that runs share: imports, the original model, the data."""
    _import_ahead(setup["imports"], setup["visible"])
    # Late, so that all of torch's import happens in one place.
    from harness.sandbox.guest_run import Job, execute

    job = Job.load(Path(setup["inputs"]), setup["name"], setup["source"], setup["threads"])
    # Children must not copy pages just because the collector walks over old objects.
    gc.collect()
    gc.freeze()
    gc.disable()
    kernel.use_huge_pages()
    return partial(execute, job)


def _import_ahead(modules: Sequence[str], visible: Sequence[str]) -> None:
    """Import what the submission will, where it is an installed package.

    The checkout may be importable too at the lower levels, and other submissions with it:
    those must never run here. What cannot be imported is reported when the run tries to.
    """
    for module in modules:
        with contextlib.suppress(Exception):
            spec = importlib.util.find_spec(module.partition(".")[0])
            places = [spec.origin, *(spec.submodule_search_locations or ())] if spec else []
            if any(str(place).startswith(tuple(visible)) for place in places):
                importlib.import_module(module)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
    # Not sys.exit: threads of imported libraries must not hold the sandbox up.
    os._exit(0)
