"""Lowers its own limit of processor time, so that the kernel kills it as if from outside.

full, partial, landlock, none: crashed
"""

import resource


def unlearning(net, retain, forget, val):
    resource.setrlimit(resource.RLIMIT_CPU, (1, 1))
    while True:
        pass
