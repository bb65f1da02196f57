"""Writes into the memory of the process that forked it.

full, partial, landlock: sandbox_violation
"""

import ctypes
import os
import platform

PROCESS_VM_WRITEV = {"x86_64": 311, "aarch64": 271}[platform.machine()]


def unlearning(net, retain, forget, val):
    here = ctypes.create_string_buffer(8)
    part = (ctypes.c_size_t * 2)(ctypes.addressof(here), 8)
    libc = ctypes.CDLL(None)
    if libc.syscall(PROCESS_VM_WRITEV, os.getppid(), part, 1, part, 1, 0) >= 0:
        print("WON")
