"""Has the kernel tell the names of files that appear in folders of the host.

full, partial, landlock: harmless
"""

import ctypes
import os

import target


def unlearning(net, retain, forget, val):
    libc = ctypes.CDLL(None)
    watch = libc.inotify_init()
    for folder in (target.writable, os.path.dirname(target.canary)):
        if libc.inotify_add_watch(watch, folder.encode(), 0x100) > 0:  # IN_CREATE
            print("WON", folder)
