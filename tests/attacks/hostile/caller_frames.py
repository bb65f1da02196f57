"""Reads its callers' variables, and all objects, for the number of the run and for other runs.

full, partial, landlock, none: harmless
runs: 2
"""

import gc
import sys


def unlearning(net, retain, forget, val):
    frame = sys._getframe(1)
    while frame:
        found = {"run", "runs", "index", "number", "status", "pid", "ready"} & set(frame.f_locals)
        if found:
            print("WON", frame.f_code.co_name, found)
        frame = frame.f_back
    for thing in gc.get_objects():
        if type(thing).__name__ == "Run":
            print("WON", thing)
