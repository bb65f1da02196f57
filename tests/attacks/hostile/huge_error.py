"""Raises an error whose message is 50 MB.

full, partial, landlock, none: crashed
"""


def unlearning(net, retain, forget, val):
    raise ValueError("x" * (50 << 20))
