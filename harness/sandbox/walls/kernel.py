"""The Linux calls that Python has no name for, through ctypes."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

CLONE_NEWNS = 0x00020000
CLONE_NEWCGROUP = 0x02000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT, MS_BIND = 1, 2, 4, 8, 0x20, 0x1000
MS_REC, MS_PRIVATE = 0x4000, 1 << 18

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 36, 38
_PR_CAPBSET_DROP, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 24, 47, 4
_CAPABILITY_VERSION = 0x20080522
_SYS_CAPSET = {"x86_64": 126, "aarch64": 91}
_MADV_COLLAPSE = 25
_HUGE_PAGE = 2 << 20

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int) -> None:
    """Move this process, or its next children, into new namespaces."""
    _check("unshare", _libc.unshare(flags))


def setns(fd: int, kind: int) -> None:
    """Join the namespace that `fd` is of."""
    _check("setns", _libc.setns(fd, kind))


def mount(source: str, target: str, kind: str | None, flags: int, data: str = "") -> None:
    """mount(2)."""
    encoded = [text.encode() if text else None for text in (source, target, kind)]
    _check(f"mount {target}", _libc.mount(*encoded, ctypes.c_ulong(flags), data.encode()))


def die_with_parent(signal: int) -> None:
    """Have `signal` sent to this process when the thread that forked it is gone."""
    _prctl(_PR_SET_PDEATHSIG, signal)


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent is gone."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def own_proc_files() -> None:
    """Have /proc/self belong to us again: after a change of user it is root's."""
    _prctl(_PR_SET_DUMPABLE, 1)


def no_new_privileges() -> None:
    """Set-uid files give nothing from here on, which seccomp and Landlock require."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)


def drop_capabilities() -> None:
    """Give up every capability, for this process and all that it will start."""
    for capability in range(64):
        # EINVAL: more than this kernel knows. EPERM: there are none to drop.
        if _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
            break
    _libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    nothing = (ctypes.c_uint32 * 6)()
    _check("capset", _libc.syscall(_SYS_CAPSET[os.uname().machine], header, nothing))


def use_huge_pages() -> None:
    """Gather this process's heap into huge pages, as far as the kernel can (Linux 6.1).

    Forking copies one entry for 2 MiB instead of 512: a run starts three times as fast.
    """
    mappings = [line.split() for line in Path("/proc/self/maps").read_text().splitlines()]
    for addresses, access, *rest in mappings:
        if access.startswith("rw") and (len(rest) < 4 or rest[3] == "[heap]"):
            start, end = (int(address, 16) for address in addresses.split("-"))
            first, last = -(-start // _HUGE_PAGE) * _HUGE_PAGE, end // _HUGE_PAGE * _HUGE_PAGE
            if first < last:
                # What cannot be gathered stays as it was.
                size = ctypes.c_size_t(last - first)
                _libc.madvise(ctypes.c_void_p(first), size, _MADV_COLLAPSE)


def syscall(name: str, number: int, *arguments: object) -> int:
    """A system call by number; raises OSError where it fails."""
    return _check(name, _libc.syscall(number, *arguments))


def _prctl(option: int, argument: int) -> None:
    _check(f"prctl {option}", _libc.prctl(option, argument, 0, 0, 0))


def _check(call: str, result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")
    return result
