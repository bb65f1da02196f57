"""Makes a user namespace, in which it would have every capability.

full, partial, landlock: sandbox_violation
"""

import ctypes


def unlearning(net, retain, forget, val):
    if ctypes.CDLL(None).unshare(0x10000000) == 0:
        print("WON")
