"""Types commands into the terminal that the host was started from.

full, partial, landlock: harmless
"""

import fcntl
import os

TIOCSTI = 0x5412


def unlearning(net, retain, forget, val):
    for name in ("/dev/tty", "/dev/console", "/proc/self/fd/0", "/proc/self/fd/1"):
        try:
            fcntl.ioctl(os.open(name, os.O_RDWR | os.O_NOCTTY), TIOCSTI, b"x")
            print("WON", name)
        except OSError:
            pass
