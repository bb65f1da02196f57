"""The system call filter of `calls`, as BPF."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Iterable, Sequence

from harness.sandbox.walls import calls, kernel

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_SYS_SECCOMP = (317, 277)
_SET_MODE_FILTER = 1
_X32 = 0x40000000  # a second table of calls on x86_64, with numbers from here on

_LOAD, _JUMP_EQUAL, _JUMP_ABOVE, _JUMP_AT_LEAST, _JUMP_ANY_BIT = 0x20, 0x15, 0x25, 0x35, 0x45
_RETURN = 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000

_Step = tuple[int, int, int, int]  # operation, steps to skip if true, if false, operand


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def program(own_network: bool, own_files: bool, gpu: bool) -> bytes:
    """The filter, as the kernel takes it.

    Parameters
    ----------
    own_network : bool
        Whether it is for a network namespace of its own, where sockets reach nothing.
    own_files : bool
        Whether no other files are seen than those of the policy.
    gpu : bool
        Whether CUDA must start.
    """
    families = calls.FAMILIES_IN_OWN_NETWORK if own_network else calls.FAMILIES_IN_SHARED_NETWORK
    unguarded = {} if own_files else calls.UNGUARDED
    column, architecture = _ARCHITECTURES[os.uname().machine]
    columns = {name: places[column] for name, places in calls.ALLOWED.items()}
    allowed = [n for name, n in columns.items() if n is not None and name not in unguarded]
    if gpu:
        allowed.append(calls.MEMFD_CREATE[column])
    code = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, architecture),
        _end(_KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_AT_LEAST, 0, 1, _X32),
        _end(_KILL),
        *_when(calls.CLONE[column], [_argument(0), *_unless_bits(calls.CLONE_NEW, _KILL)]),
        *_when(calls.PRLIMIT[column], [_argument(0), *_only([0], errno.EPERM)]),
        *_when(calls.IOCTL[column], [_argument(1), *_none_of(calls.TERMINAL_INJECTION)]),
        *_when(calls.SETSOCKOPT[column], _fixed_buffers()),
    ]
    for call in (calls.SOCKET, calls.SOCKETPAIR):
        code += _when(call[column], [_argument(0), *_only(families, errno.EAFNOSUPPORT)])
    for first, last in _ranges(allowed):
        code += [(_JUMP_AT_LEAST, 0, 2, first), (_JUMP_ABOVE, 1, 0, last), _end(_ALLOW)]
    for killed in calls.KILLED.values():
        code += [(_JUMP_EQUAL, 0, 1, killed[column]), _end(_KILL)]
    refused: list[tuple[int | None, int]] = [
        (numbers[column], numbers[2]) for numbers in calls.REFUSED.values()
    ]
    refused += [(columns[name], error) for name, error in unguarded.items()]
    for number, error in refused:
        if number is not None:
            code += [(_JUMP_EQUAL, 0, 1, number), _end(_ERRNO | error)]
    code.append(_end(_ERRNO | errno.ENOSYS))
    return b"".join(struct.pack("<HBBI", *step) for step in code)


def install(code: bytes) -> None:
    """Filter the calls of this process and of all that it will start; there is no way back.

    Parameters
    ----------
    code : bytes
        What `program` made.
    """
    column, _ = _ARCHITECTURES[os.uname().machine]
    filter_ = _Program(len(code) // 8, code)
    kernel.no_new_privileges()
    kernel.syscall("seccomp", _SYS_SECCOMP[column], _SET_MODE_FILTER, 0, ctypes.byref(filter_))


def _when(number: int, steps: Sequence[_Step]) -> list[_Step]:
    """`steps`, which end, for one call; any other passes over them."""
    return [(_JUMP_EQUAL, 0, len(steps), number), *steps]


def _argument(place: int) -> _Step:
    """Load the lower half of an argument, which is all that these calls look at."""
    return (_LOAD, 0, 0, _ARGUMENTS + 8 * place)


def _end(what: int) -> _Step:
    return (_RETURN, 0, 0, what)


def _unless_bits(bits: int, what: int) -> list[_Step]:
    return [(_JUMP_ANY_BIT, 0, 1, bits), _end(what), _end(_ALLOW)]


def _only(values: Iterable[int], error: int) -> list[_Step]:
    equal = [step for value in values for step in ((_JUMP_EQUAL, 0, 1, value), _end(_ALLOW))]
    return [*equal, _end(_ERRNO | error)]


def _none_of(values: Iterable[int]) -> list[_Step]:
    refuse = _end(_ERRNO | errno.EPERM)
    return [*(s for value in values for s in ((_JUMP_EQUAL, 0, 1, value), refuse)), _end(_ALLOW)]


def _fixed_buffers() -> list[_Step]:
    silent = _end(_ERRNO | 0)
    sizes = [s for size in calls.BUFFER_SIZES for s in ((_JUMP_EQUAL, 0, 1, size), silent)]
    level = [_argument(1), (_JUMP_EQUAL, 1, 0, calls.SOL_SOCKET), _end(_ALLOW)]
    return [*level, _argument(2), *sizes, _end(_ALLOW)]


def _ranges(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """The numbers as closed intervals."""
    found: list[tuple[int, int]] = []
    for number in sorted(numbers):
        if found and number == found[-1][1] + 1:
            found[-1] = found[-1][0], number
        else:
            found.append((number, number))
    return found
