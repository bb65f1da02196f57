"""Importing ahead: from our own list only, and the process that forks stays as it was."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness.sandbox.guest.ahead import MODULES
from harness.sandbox.host import Server, Zygote
from tests.sandbox.small import LIMITS, unread

# What a run finds that its server has imported, and in what state.
STATE = """
import sys
known = set(sys.modules)
import gc, json, os, signal
handlers = {int(s): signal.getsignal(s) for s in signal.valid_signals()}
def unlearning(net, retain, forget, val):
    print(json.dumps({
        "modules": sorted(known),
        "threads": len(os.listdir("/proc/self/task")),
        "handled": [s for s, handler in handlers.items() if callable(handler)],
    }))
"""
# Programs and test suites: they exit, start processes or threads, or take the signals.
HOSTILE = {
    "torch.utils.model_dump.__main__": "torch.utils.model_dump.__main__",
    "test.__main__": "test",
    "numpy.f2py.__main__": "numpy.f2py",
    "IPython.__main__": "IPython.__main__",
    "torch._inductor.async_compile": "torch._inductor.async_compile",
    "torch._inductor.compile_worker.subproc_pool": "torch._inductor.compile_worker",
    "idlelib.idle": "idlelib",
    "sklearn.conftest": "sklearn.conftest",
    "turtledemo.__main__": "turtledemo",
    "antigravity": "antigravity",
}


def state(zygote: Zygote, imports: Sequence[str]) -> dict:
    """What a run of a file sees that names these modules."""
    submission = replace(unread(STATE), imports=tuple(imports))
    with Server(submission, zygote, replace(LIMITS, output_kb=512)) as server:
        return json.loads(server.run(0).output)


def test_all_of_the_list_leaves_one_thread_and_the_signals_alone(zygote: Zygote) -> None:
    seen = state(zygote, sorted(MODULES))
    assert set(seen["modules"]) >= MODULES
    assert seen["threads"] == 1
    assert seen["handled"] == [2]  # Python's own, for Ctrl-C


@pytest.mark.parametrize("module", HOSTILE)
def test_what_is_not_on_the_list_is_not_imported_ahead(zygote: Zygote, module: str) -> None:
    before = state(zygote, ())
    seen = state(zygote, [module])
    new = set(seen["modules"]) - set(before["modules"])
    assert HOSTILE[module] not in new
    assert not [name for name in new if name.endswith("__main__")]


def test_a_thousand_imports_that_are_never_reached_cost_nothing(zygote: Zygote) -> None:
    many = [f"torch._inductor.fx_passes.made_up_{number}" for number in range(1600)]
    assert "torch._inductor.fx_passes" not in state(zygote, many)["modules"]


def test_a_module_off_the_list_is_imported_by_the_run_itself(zygote: Zygote) -> None:
    source = """
    import numpy.polynomial
    def unlearning(net, retain, forget, val):
        print(numpy.polynomial.Polynomial([1, 2])(3))
    """
    submission = replace(unread(source), imports=("numpy.polynomial",))
    with Server(submission, zygote, LIMITS) as server:
        assert server.run(0).output == "7.0\n"


def test_the_list_holds_no_program_and_no_test_suite() -> None:
    parts = {part for module in MODULES for part in module.split(".")}
    assert not parts & {"__main__", "test", "tests", "testing", "conftest"}
    assert not [part for part in parts if part.startswith("_")]


def test_the_host_reads_none_of_them(inputs: Path) -> None:
    """A file that names a program which exits is an ordinary file to the zygote that serves it."""
    source = """
    import torch.utils.model_dump.__main__
    def unlearning(net, retain, forget, val): pass
    """
    exits = replace(unread(source), imports=("torch.utils.model_dump.__main__",))
    with Zygote(inputs) as zygote:
        with Server(exits, zygote, LIMITS):
            pass
        with Server(unread(STATE), zygote, LIMITS) as after:
            assert after.run(0).weights
