"""Leaves marks for the next run in modules, hooks, loaders and the model.

full, partial, landlock, none: harmless
runs: 2
"""

import atexit
import builtins
import os
import sys


def unlearning(net, retain, forget, val):
    things = (builtins, os, sys.modules["torch"], net, retain, retain.dataset)
    for thing in things:
        if hasattr(thing, "evil_trace"):
            print("WON", thing)
        thing.evil_trace = True
    for moment in ("before", "after_in_child", "after_in_parent"):
        os.register_at_fork(**{moment: lambda: setattr(builtins, "evil_trace", True)})
    atexit.register(print, "WON")
    sys.settrace(lambda *_: None)
