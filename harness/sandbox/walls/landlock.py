"""Walls of Landlock and seccomp: the kernel limits file access to named paths."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.sandbox.walls import gpu, kernel, policy, seccomp
from harness.sandbox.walls.plain import InOneWorld
from harness.sandbox.walls.restrict import let_go, restrict

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_QUERY, _PATH_BENEATH = 1, 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_IOCTL_DEVICE = 1 << 15
# Rights on files that version 1, 2, 3, ... of the interface knows, as the last bit's position.
_LAST_RIGHT = (12, 13, 14, 14, 15)
_OF_A_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE | (1 << 14) | _IOCTL_DEVICE
_TCP_BIND_AND_CONNECT = 3  # from version 4
_ABSTRACT_SOCKETS_AND_SIGNALS = 3  # from version 6


class Landlock(InOneWorld):
    """Where there are no namespaces: files and system calls are limited, processes are seen."""

    name = "landlock"
    level = "partial"
    fixed_buffers = True

    def __init__(
        self, visible: Sequence[str], memory_mb: int, scratch_mb: int, processes: int
    ) -> None:
        super().__init__(visible, memory_mb, scratch_mb, processes)
        self._filter = seccomp.program(own_network=False, own_files=False, gpu=bool(gpu.devices()))

    def enter(self, keep: Sequence[int]) -> None:
        let_go(keep)
        self._enter_own_folder()
        confine(self._visible, signals=True)
        restrict(self._limits, self._filter)


def confine(visible: Iterable[str], signals: bool) -> None:
    """Leave this process the policy's files, `visible` folders, and the one that it is in.

    Parameters
    ----------
    visible : iterable of str
        What may be read besides.
    signals : bool
        Whether to forbid signals and abstract sockets to processes outside (from version 6).
    """
    nodes = gpu.devices()
    _limit_files(
        read=[*policy.SYSTEM, *policy.ROOT_LINKS, *gpu.system(), *visible, "/proc"],
        # CUDA's driver names its threads, by their files in /proc; other users' are not ours.
        write=[*policy.DEVICES, *nodes, *["/proc"] * bool(nodes), "/dev/shm", str(Path.cwd())],
        signals=signals,
    )


def version() -> int:
    """The version of the kernel's interface; 0 where there is none."""
    try:
        return kernel.syscall("landlock", _CREATE_RULESET, None, 0, _VERSION_QUERY)
    except OSError:
        return 0


def _limit_files(read: Iterable[str], write: Iterable[str], signals: bool) -> None:
    """Leave this process, and all that it will start, these paths and nothing else.

    Parameters
    ----------
    read, write : iterable of str
        What may be read and executed; what may be written as well. Missing paths are skipped.
    signals : bool
        Whether to forbid signals and abstract sockets to processes outside (from version 6).
    """
    known = version()
    every = (1 << (_LAST_RIGHT[min(known, len(_LAST_RIGHT)) - 1] + 1)) - 1
    attributes = struct.pack(
        "<QQQ",
        every,
        _TCP_BIND_AND_CONNECT if known >= 4 else 0,
        _ABSTRACT_SOCKETS_AND_SIGNALS if known >= 6 and signals else 0,
    )[: 8 if known < 4 else 16 if known < 6 else 24]
    ruleset = kernel.syscall("landlock", _CREATE_RULESET, attributes, len(attributes), 0)
    for rights, paths in ((_READ, read), (every, write)):
        for path in paths:
            _allow(ruleset, path, rights & every)
    kernel.no_new_privileges()
    kernel.syscall("landlock", _RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    if not Path(path).is_dir():
        rights &= _OF_A_FILE
    rule = ctypes.create_string_buffer(struct.pack("<Qi", rights, fd), 12)
    kernel.syscall("landlock", _ADD_RULE, ruleset, _PATH_BENEATH, rule, 0)
    os.close(fd)
