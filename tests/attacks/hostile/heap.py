"""Takes memory until there is none.

full, partial, landlock, none: out_of_memory
"""


def unlearning(net, retain, forget, val):
    hoard = []
    while True:
        hoard.append(bytearray(b"x") * (16 << 20))
