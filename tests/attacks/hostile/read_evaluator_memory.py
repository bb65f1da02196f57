"""Opens the memory and the files of the evaluator and of whatever forked it.

full, partial, landlock: harmless
"""

import os

import target


def unlearning(net, retain, forget, val):
    for pid in {target.evaluator, os.getppid(), 1} - {os.getpid()}:
        for name in ("mem", "maps", "environ", "fd/0", "root/etc/passwd"):
            try:
                with open(f"/proc/{pid}/{name}", "rb") as file:
                    file.read(1)
                print("WON", pid, name)
            except OSError:
                pass
