"""Makes system calls that newer kernels have added, and old ones that nobody needs.

full, partial, landlock: harmless
"""

import ctypes
import errno
import platform

OLD = {
    "x86_64": (103, 134, 135, 139, 154, 161, 163, 172, 179, 206, 216, 256, 279, 303, 312, 320),
    "aarch64": (0, 51, 60, 89, 92, 116, 234, 238, 239, 264, 272, 294),
}[platform.machine()]
ON_BOTH = (440, 444, 445, 446, 447, 448, 451, *range(457, 462), *range(463, 600))


def unlearning(net, retain, forget, val):
    libc = ctypes.CDLL(None, use_errno=True)
    for number in (*OLD, *ON_BOTH):
        ctypes.set_errno(0)
        if libc.syscall(number, 0, 0, 0, 0, 0, 0) >= 0 or ctypes.get_errno() != errno.ENOSYS:
            print("WON", number, errno.errorcode.get(ctypes.get_errno()))
