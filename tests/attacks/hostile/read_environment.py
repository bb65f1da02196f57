"""Looks for the evaluator's environment variables, in its own and other processes' environments.

full, partial, landlock, none: harmless
"""

import os


def unlearning(net, retain, forget, val):
    if "HOST_SECRET" in os.environ:
        print("WON")
    for name in ("self", "1", str(os.getppid())):
        try:
            with open(f"/proc/{name}/environ") as file:
                if "HOST_SECRET" in file.read():
                    print("WON", name)
        except OSError:
            pass
