"""What of an NVIDIA GPU a run sees: its device nodes, its driver's libraries, its part of /sys."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
from pathlib import Path

_LIBRARIES = ("libcuda.so.1", "libnvidia-ml.so.1")
# The driver looks up the PCI bus, and the processors that are near to a device. The rest of /sys
# tells of the host: its network, its control groups, other runs.
_SYS = ("/sys/bus/pci", "/sys/devices/pci*", "/sys/devices/system", "/sys/module/nvidia*")


def devices() -> list[str]:
    """Device nodes of NVIDIA GPUs; not one path is there on a machine without."""
    return sorted(str(path) for path in Path("/dev").glob("nvidia*"))


def shut() -> str:
    """Which device nodes this user may not open, and what to do; empty if there are none."""
    nodes = [path for path in devices() if not Path(path).is_dir()]
    closed = [path for path in nodes if not os.access(path, os.R_OK | os.W_OK)]
    return f"runs may not open {', '.join(closed)} (chmod a+rw); " if closed else ""


def covered() -> bool:
    """Whether a container's toolkit has mounted over the driver's part of /proc."""
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    return any(line.split()[4].startswith("/proc/driver/nvidia") for line in mounts)


def system() -> list[str]:
    """Folders of /sys that the driver reads; none on a machine without a GPU."""
    if not devices():
        return []
    return sorted(str(path) for pattern in _SYS for path in Path("/").glob(pattern[1:]))


@functools.cache
def driver_folders() -> tuple[str, ...]:
    """Where the loader finds the driver's libraries: some images name the place in a variable."""
    if not devices():
        return ()
    for library in _LIBRARIES:
        with contextlib.suppress(OSError):
            ctypes.CDLL(library)  # which starts nothing
    lines = Path("/proc/self/maps").read_text().splitlines()
    paths = [Path(line.split(maxsplit=5)[-1]) for line in lines if "/lib" in line]
    names = tuple(library.removesuffix(".1") for library in _LIBRARIES)
    return tuple(sorted({str(path.parent) for path in paths if path.name.startswith(names)}))
