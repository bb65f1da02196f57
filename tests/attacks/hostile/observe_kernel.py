"""Uses kernel interfaces with a history of holes: bpf, perf, userfaultfd.

full, partial, landlock: sandbox_violation
"""

import ctypes
import platform

PERF, USERFAULTFD, BPF = {"x86_64": (298, 323, 321), "aarch64": (241, 282, 280)}[platform.machine()]


def unlearning(net, retain, forget, val):
    libc = ctypes.CDLL(None)
    nothing = ctypes.create_string_buffer(128)
    if libc.syscall(PERF, nothing, 0, -1, -1, 0) >= 0 or libc.syscall(USERFAULTFD, 1) >= 0:
        print("WON")
    libc.syscall(BPF, 0, nothing, 128)
    print("WON")
