"""Prints what clears a terminal, sets its title, moves the cursor, turns text around.

full, partial, landlock, none: crashed
"""

CODES = "\x1b[2J\x1b]0;you won\x07\x9b31m\u202e\x00\x08\r"


def unlearning(net, retain, forget, val):
    print(CODES)
    raise ValueError(CODES)
