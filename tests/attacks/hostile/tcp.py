"""Connects to a TCP listener of the host, by every name of the loopback interface.

full, partial, landlock: harmless
"""

import socket

import target


def unlearning(net, retain, forget, val):
    for address in ("127.0.0.1", "localhost", "0.0.0.0", "::1", socket.gethostname()):
        try:
            socket.create_connection((address, target.tcp), timeout=1).close()
            print("WON", address)
        except OSError:
            pass
