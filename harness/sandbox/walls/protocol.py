"""What every backend of the walls can do, outside and inside."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol


class Command(NamedTuple):
    """What starts a Python module behind walls, or on the way there.

    Attributes
    ----------
    line : list of str
    environment : dict of str to str
    descriptors : list of int
        Open files that the line refers to by number.
    """

    line: list[str]
    environment: dict[str, str]
    descriptors: list[int]


class Walls(Protocol):
    """What stands between a run and the rest of the machine.

    An object is made in a server, a process of one thread: it may fork, and goes on in the child.

    Parameters
    ----------
    visible : sequence of str
        Folders of the interpreter and its packages.
    memory_mb, scratch_mb, processes : int
        Limits of a run, as in `harness.competition.Limits`.

    Attributes
    ----------
    name : str
        Of the backend.
    level : str
        The isolation that it gives if its probe holds: "full", "partial" or "none".
    contained : bool
        Whether all that a run starts, and all that it writes, ends with it.
    fixed_buffers : bool
        Whether a filter keeps sockets at the size of buffer that the system gives them.
    scratch : str
        The folder that runs write to, or in which each has one of its own.
    """

    name: str
    level: str
    contained: bool
    fixed_buffers: bool
    scratch: str

    def __init__(
        self, visible: Sequence[str], memory_mb: int, scratch_mb: int, processes: int
    ) -> None: ...

    @staticmethod
    def lacking() -> str:
        """On the host: what must be installed first, in words; empty if nothing."""

    @staticmethod
    def command(
        module: str, arguments: Sequence[str], visible: Sequence[str], stack: contextlib.ExitStack
    ) -> Command:
        """On the host: what runs `python -m module arguments`, its files open with `stack`."""

    @staticmethod
    def begin() -> None:
        """In the zygote, first thing."""

    @staticmethod
    def show(files: Mapping[str, bytes]) -> None:
        """In the zygote: put the competition's files where a run can see them."""

    def fork(self) -> int:
        """In the server: as `os.fork`, for a run."""

    def enter(self, keep: Sequence[int]) -> None:
        """In the run: shut it in; it keeps no file open but 0, 1, 2 and `keep`."""

    def clean(self, pid: int) -> None:
        """In the server: remove what a finished run may have left."""

    def tear_down(self) -> None:
        """In the server: remove the scratch directories of all runs."""
