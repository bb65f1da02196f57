"""Connects to a socket of the host by its abstract name, which no file guards.

full, partial, landlock: harmless
"""

import socket

import target


def unlearning(net, retain, forget, val):
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect("\0" + target.abstract)
        print("WON")
    except OSError:
        pass
