"""Changes the original model and the data on disk for the runs after it.

full, partial, landlock: harmless
"""

import os
import sys

import target


def unlearning(net, retain, forget, val):
    for folder in (
        target.inputs,
        "/inputs",
        "/guest/harness",
        sys.prefix,
        os.path.dirname(os.__file__),
    ):
        for name in ("original.safetensors", "models.py", "pyvenv.cfg", "json/__init__.py"):
            try:
                with open(os.path.join(folder, name), "r+b"):
                    print("WON", folder, name)
            except OSError:
                pass
        mine, new = (os.path.join(folder, name) for name in ("empty.txt", "new"))
        for change, *arguments in (
            (open, new, "w"),
            (os.open, folder, os.O_TMPFILE | os.O_RDWR),
            (os.rename, mine, new),
            (os.unlink, mine),
        ):
            try:
                change(*arguments)
                print("WON", folder)
            except OSError:
                pass
