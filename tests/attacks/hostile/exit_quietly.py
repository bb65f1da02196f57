"""Ends its process as if all had gone well.

full, partial, landlock, none: crashed
"""

import os


def unlearning(net, retain, forget, val):
    os._exit(0)
