"""Writes to the result's pipe without end.

full, partial, none: timeout
"""

import os


def unlearning(net, retain, forget, val):
    while True:
        os.write(3, bytes(1 << 20))
