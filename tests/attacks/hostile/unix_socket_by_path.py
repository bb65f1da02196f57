"""Connects to a socket of the host by its path, as to a Docker or X11 socket.

full: harmless
"""

import socket

import target


def unlearning(net, retain, forget, val):
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(target.unix)
        print("WON")
    except OSError:
        pass
