"""Writes far more to the result's pipe than any result has.

full, partial, landlock, none: sandbox_violation
"""

import os


def unlearning(net, retain, forget, val):
    for _ in range(100):
        os.write(3, bytes(1 << 20))
