"""Has io_uring do what the filter forbids.

full, partial, landlock: harmless
"""

import ctypes


def unlearning(net, retain, forget, val):
    parameters = ctypes.create_string_buffer(120)
    if ctypes.CDLL(None).syscall(425, 8, parameters) >= 0:
        print("WON")
