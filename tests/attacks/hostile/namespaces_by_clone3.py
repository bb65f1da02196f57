"""Makes a user namespace with clone3, whose flags lie in memory that a filter cannot read.

full, partial, landlock: harmless
"""

import ctypes

CLONE3 = 435


def unlearning(net, retain, forget, val):
    arguments = (ctypes.c_uint64 * 8)(0x10000000, 0, 0, 0, 17, 0, 0, 0)
    if ctypes.CDLL(None).syscall(CLONE3, arguments, 64) >= 0:
        print("WON")
