"""Resolves a name and connects to the outside.

full, partial, landlock: harmless
"""

import socket


def unlearning(net, retain, forget, val):
    try:
        if socket.getaddrinfo("example.org", 80):
            print("WON a name")
    except OSError:
        pass
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.connect(("192.0.2.1", 9))  # no packet is sent: it only needs a route
            print("WON a route")
    except OSError:
        pass
