"""Writes one file without end.

full, partial, landlock, none: crashed
"""


def unlearning(net, retain, forget, val):
    with open("large", "wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 20))
