"""Inside a run: the submitted file becomes a module, and in it the function is found."""

from __future__ import annotations

import importlib.util
import inspect
import linecache
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.sandbox.guest.errors import Fault


def module_of(name: str, source: str) -> ModuleType:
    """The file as a module that is still to be executed, in the folder where we are."""
    # A file may be called as something that it, or torch, will import: random.py, queue.py.
    own = f"submission_{name}" if _taken(name) else name
    path = Path(f"{own}.py")
    path.write_text(source, encoding="utf-8", newline="")
    # Tracebacks show the participant's lines whatever becomes of the file.
    lines = source.splitlines(keepends=True)
    linecache.cache[f"{name}.py"] = (len(source), None, lines, f"{name}.py")
    module = ModuleType(own)
    module.__file__ = str(path.resolve())
    sys.modules[own] = module
    sys.path.insert(0, str(Path.cwd()))
    sys.argv = [path.name]
    return module


def function_of(module: ModuleType, function: str, parameters: str) -> Callable[..., Any]:
    """What the executed module calls `function`, if it can be called with four arguments."""
    call = getattr(module, function, None)
    if not callable(call):
        raise Fault("invalid_submission", f"the file defines no function `{function}`.")
    try:
        signature = inspect.signature(call)
    except (TypeError, ValueError):
        return call  # something built in: it will say so itself
    try:
        signature.bind(*range(4), **dict.fromkeys(devices(call)))
    except TypeError as error:
        raise Fault(
            "invalid_submission",
            f"`{function}{signature}` cannot be called as {function}({parameters}): {error}.",
        ) from None
    return call


def devices(call: Callable[..., Any]) -> list[str]:
    """The parameters after the four that are to be given the device of the model."""
    try:
        further = [*inspect.signature(call).parameters.values()][4:]
    except (TypeError, ValueError):
        return []
    return [p.name for p in further if p.name.lower() == "device" and p.default is p.empty]


def _taken(name: str) -> bool:
    first = name.partition(".")[0]
    if first in sys.modules or first in sys.stdlib_module_names:
        return True
    try:
        return importlib.util.find_spec(first) is not None
    except (ImportError, ValueError):
        return False
