"""The system call filter of `policy`, as BPF."""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from harness.sandbox.walls import kernel, policy

_ARCHITECTURES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}
_SYS_SECCOMP = (317, 277)
_SET_MODE_FILTER = 1
_X32 = 0x40000000  # a second table of calls on x86_64, with numbers from here on

_LOAD, _JUMP_EQUAL, _JUMP_AT_LEAST, _JUMP_ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def program(own_network: bool, own_files: bool) -> bytes:
    """The filter, as the kernel takes it.

    Parameters
    ----------
    own_network : bool
        Whether it is for a network namespace of its own, where sockets reach nothing.
    own_files : bool
        Whether no other files are seen than those of the policy.
    """
    families = policy.FAMILIES_IN_OWN_NETWORK if own_network else policy.FAMILIES_IN_SHARED_NETWORK
    refused = policy.REFUSED | ({} if own_files else policy.UNGUARDED)
    column, architecture = _ARCHITECTURES[os.uname().machine]
    code = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_JUMP_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_JUMP_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _KILL),
    ]
    for numbers in policy.KILLED.values():
        code += _when(numbers[column], [(_RETURN, 0, 0, _KILL)])
    for *places, error in refused.values():
        if (number := places[column]) is not None:
            code += _when(number, [(_RETURN, 0, 0, _ERRNO | error)])
    code += _when(
        policy.CLONE[column],
        [
            (_LOAD, 0, 0, _ARGUMENTS),
            (_JUMP_ANY_BIT, 0, 1, policy.CLONE_NEW),
            (_RETURN, 0, 0, _KILL),
        ],
    )
    code += _when(
        policy.PRLIMIT[column],
        [
            (_LOAD, 0, 0, _ARGUMENTS),
            (_JUMP_EQUAL, 1, 0, 0),
            (_RETURN, 0, 0, _ERRNO | errno.EPERM),
        ],
    )
    code += _when(
        policy.IOCTL[column],
        [(_LOAD, 0, 0, _ARGUMENTS + 8)]
        + [
            step
            for request in policy.TERMINAL_INJECTION
            for step in ((_JUMP_EQUAL, 0, 1, request), (_RETURN, 0, 0, _ERRNO | errno.EPERM))
        ],
    )
    code += _when(
        policy.SOCKET[column],
        [(_LOAD, 0, 0, _ARGUMENTS)]
        + [
            step
            for family in families
            for step in ((_JUMP_EQUAL, 0, 1, family), (_RETURN, 0, 0, _ALLOW))
        ]
        + [(_RETURN, 0, 0, _ERRNO | errno.EAFNOSUPPORT)],
    )
    code.append((_RETURN, 0, 0, _ALLOW))
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


def _when(number: int, steps: list[tuple]) -> list[tuple]:
    """`steps` for one call; afterwards the call's number is loaded again."""
    return [(_JUMP_EQUAL, 0, len(steps) + 1, number), *steps, (_LOAD, 0, 0, _NUMBER)]
