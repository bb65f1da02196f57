"""Closes the pipe that its result goes to.

full, partial, landlock, none: crashed
"""

import os


def unlearning(net, retain, forget, val):
    os.closerange(3, 1000)
