"""Looks for descriptors that it should not have: sockets, folders, other runs' pipes.

full, partial, landlock, none: harmless
"""

import os
import stat


def unlearning(net, retain, forget, val):
    for fd in range(200):
        try:
            mode = os.fstat(fd).st_mode
        except OSError:
            continue
        if fd > 3 or not (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
            print("WON", fd, oct(mode))
