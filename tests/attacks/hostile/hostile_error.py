"""Raises an error that fails when it is printed, or ends the process.

full, partial, landlock, none: crashed
"""

import os


class Evil(Exception):
    def __str__(self):
        os._exit(0)


def unlearning(net, retain, forget, val):
    raise Evil
