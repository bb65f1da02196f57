"""The files that a process inside is given: its program, its interpreter, and open ones."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from harness.sandbox.walls import gpu, policy

PACKAGE = Path(__file__).parent.parent.parent  # harness
_INSTALLED = ("site-packages", "dist-packages")

# The guest and the walls as they are, and the modules that host and guest share.
_PROGRAM = (
    "__init__.py",
    "batches.py",
    "exhaustion.py",
    "models.py",
    "notebook.py",
    "sandbox/__init__.py",
    "sandbox/guest/*.py",
    "sandbox/walls/*.py",
)


def program() -> dict[str, Path]:
    """Where the guest's own program lies inside, and here; the rest of the checkout is absent."""
    return {
        f"{policy.GUEST}/harness/{path.relative_to(PACKAGE)}": path
        for pattern in _PROGRAM
        for path in PACKAGE.glob(pattern)
    }


def visible() -> list[str]:
    """Folders of the interpreter, of the packages that it imports from, and of a GPU's driver."""
    packages = [path for path in sys.path if Path(path).name in _INSTALLED]
    folders: list[str] = []
    for path in (sys.prefix, sys.base_prefix, *packages, *gpu.driver_folders()):
        # Both as named and as resolved: a link to the interpreter may go through either.
        for folder in (path, str(Path(path).resolve())):
            if not any(Path(folder).is_relative_to(known) for known in (*folders, "/usr")):
                folders.append(folder)
    return folders


def private() -> list[str]:
    """Folders that no run may see: where the host works, its cache, its results, the checkout."""
    here = Path.cwd()
    folders = [here, here / "reference" / "cache", here / "results", here / "submissions"]
    if PACKAGE.parent.name not in _INSTALLED:
        folders.append(PACKAGE.parent)
    return list(dict.fromkeys(str(folder.resolve()) for folder in folders if folder.is_dir()))


def opened(stack: contextlib.ExitStack, files: Mapping[str, Path]) -> dict[str, int]:
    """A descriptor for each file, under the same name, open for as long as `stack`."""
    return {place: stack.enter_context(path.open("rb")).fileno() for place, path in files.items()}


def in_memory(content: object) -> IO[str]:
    """A file that has no name, from which `content` can be read as JSON."""
    file = os.fdopen(os.memfd_create("setup"), "w+")
    json.dump(content, file)
    file.flush()
    file.seek(0)
    return file
