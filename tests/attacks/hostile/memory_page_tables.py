"""Reads one page of every 2 MiB of a vast mapping: no memory is its own, but the kernel's tables.

full, partial, landlock, none: out_of_memory
"""

import ctypes
import time

import numpy as np

PROT_READ, MAP_PRIVATE_ANONYMOUS_NORESERVE, MADV_NOHUGEPAGE = 1, 0x4022, 15
SIZE, STEP = 2 << 40, 2 << 20


def unlearning(net, retain, forget, val):
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    start = libc.mmap(None, SIZE, PROT_READ, MAP_PRIVATE_ANONYMOUS_NORESERVE, -1, 0)
    libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(SIZE), MADV_NOHUGEPAGE)
    place = ctypes.cast(start, ctypes.POINTER(ctypes.c_uint8))
    np.ctypeslib.as_array(place, shape=(SIZE,))[::STEP].sum()
    time.sleep(1000)
