"""Sends a datagram to the host.

full, partial, landlock: harmless
"""

import socket

import target


def unlearning(net, retain, forget, val):
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(b"weights", ("127.0.0.1", target.udp))
        print("WON")
    except OSError:
        pass
