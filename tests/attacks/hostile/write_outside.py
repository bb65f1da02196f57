"""Writes where other processes would find it.

full, partial, landlock: harmless
"""

import os

import target


def unlearning(net, retain, forget, val):
    for folder in (target.writable, "/var/tmp", "/", "/usr", "/etc", "/guest", "/run", "/dev"):
        try:
            with open(os.path.join(folder, "evil"), "w") as file:
                file.write("weights of run 1")
            print("WON", folder)
            os.unlink(os.path.join(folder, "evil"))
        except OSError:
            pass
    try:
        os.truncate(target.canary, 0)
        print("WON truncate")
    except OSError:
        pass
