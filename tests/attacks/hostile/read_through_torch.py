"""Has a library open what it may not: a checkpoint by path, a shared library, a mapped file.

full, partial, landlock: harmless
"""

import ctypes

import numpy
import target


def unlearning(net, retain, forget, val):
    for attempt in (numpy.fromfile, ctypes.CDLL, lambda path: numpy.memmap(path, mode="r")):
        try:
            attempt(target.canary)
            print("WON")
        except OSError as error:
            if "invalid ELF header" in str(error) or "file too short" in str(error):
                print("WON a look")
