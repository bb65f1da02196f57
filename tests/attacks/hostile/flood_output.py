"""Prints 100 MB.

full, partial, landlock, none: harmless
"""

import os


def unlearning(net, retain, forget, val):
    block = b"x" * (1 << 20)
    for _ in range(100):
        os.write(1, block)
