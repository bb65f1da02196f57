"""The policy: what a run may see and use, with the reason for each line; `calls` has the rest."""

from __future__ import annotations

import os
import resource
from pathlib import Path

from harness.sandbox.walls import gpu

# --- Who ------------------------------------------------------------------------------------

# Root becomes this user before anything else: uid 0 inside could write the host's core_pattern
# and is not held by RLIMIT_NPROC. 65534 owns nothing.
UID = 65534

# --- What is seen ---------------------------------------------------------------------------

# Read-only. Everything else of the machine (home, repository, results, /etc, /var) is absent.
SYSTEM = (
    "/usr",  # shared libraries, and the tools that torch's compilers call
    "/etc/ld.so.cache",  # where the loader finds libraries
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",  # libblas and others are links through here
    "/etc/localtime",
    "/etc/nsswitch.conf",
    "/sys/devices/system/cpu",  # torch and OpenMP count cores here
    "/sys/devices/system/node",
)
ROOT_LINKS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")  # into /usr, or folders of their own

# No /dev/pts and no /dev/tty: there is no terminal to inject into.
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
_DEVICE_LINKS = {
    "/dev/fd": "/proc/self/fd",
    "/dev/stdin": "/proc/self/fd/0",
    "/dev/stdout": "/proc/self/fd/1",
    "/dev/stderr": "/proc/self/fd/2",
}

# The guest's own program, copied in; the rest of the repository is absent.
GUEST = "/guest"

# The competition's data for participants, copied in, so that modes and owners do not matter.
INPUTS = "/inputs"
INPUT_FILES = (
    "competition.json",
    "original.safetensors",
    "retain.safetensors",
    "forget.safetensors",
    "validation.safetensors",
    "age_class_weights.json",
    "empty.txt",
)

# What a submission may have of its own, in the place of the zygote's.
OWN_INPUTS = (
    "original.safetensors",
    "retain.safetensors",
    "forget.safetensors",
    "validation.safetensors",
)

# Where files that were written for the challenge look for things. A notebook's driver takes
# `empty.txt` for a sign that there are no models to unlearn, and leaves it at that.
_KAGGLE = {
    "/kaggle/input/neurips-2023-machine-unlearning": INPUTS,
    "/kaggle/working": "/tmp",
    "/kaggle/tmp": "/tmp",
}
LINKS = _DEVICE_LINKS | _KAGGLE


def environment(guest_path: str) -> dict[str, str]:
    """The whole environment of the guest; nothing is inherited but the choice of a GPU."""
    chosen = {
        name: os.environ[name]
        for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")
        if name in os.environ
    }
    if folders := gpu.driver_folders():
        chosen["LD_LIBRARY_PATH"] = ":".join(folders)
    return chosen | {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": "/tmp",
        "TMPDIR": "/tmp",
        "USER": "participant",
        "LOGNAME": "participant",
        "LANG": "C.UTF-8",
        "PYTHONPATH": guest_path,
        "PYTHONDONTWRITEBYTECODE": "1",
        # The same seed has to give the same weights, so sets must iterate alike.
        "PYTHONHASHSEED": "0",
        # Zygote and server must stay single-threaded: they fork, and unshare() refuses threads.
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        # Asking whether there is a GPU must not initialise CUDA before the fork.
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    }


# --- What may be used -----------------------------------------------------------------------

MIB = 1 << 20
FILES = 1 << 14  # in each of /tmp and /dev/shm
WATCH_SECONDS = 0.1  # between two looks at a run's memory
ORPHANS_SECONDS = 10.0  # to end what a run has left
HIDDEN_MB = 64  # of the machine's shared memory that may come from elsewhere
# What a run says of itself when it is short of the GPU's memory; and if others have taken that.
GPU_REFUSED = "the GPU refused an allocation"
GPU_TAKEN = f"{GPU_REFUSED}, though it had less than its share"
REPORT_BYTES = 64 << 10  # of an error's message
HEADER_BYTES = 4 << 20  # of a result's safetensors header


def socket_kb(fixed_buffers: bool) -> int:
    """What a full socket takes of the kernel: its buffer, and a packet."""
    largest = Path("/proc/sys/net/core/wmem_max")
    if fixed_buffers or not largest.exists():  # it is not there in a network of its own
        return 300
    return 2 * int(largest.read_text()) // 1024 + 64


def reserve_mb(total_mb: float) -> float:
    """What of the machine's memory is kept free: a sixteenth, at most a GiB."""
    return min(1024.0, total_mb / 16)


def rlimits(memory_mb: int, scratch_mb: int, processes: int) -> dict[int, int]:
    """Limits of each process of a run; memory of them all together is the watchdog's.

    Parameters
    ----------
    processes : int
        Threads that the user may have in a user namespace, with those that are there already.
    """
    return {
        # Not RLIMIT_AS: importing torch alone takes 3 GiB of address space, CUDA far more.
        # One GiB over the limit, because torch's own data, stacks and reserves count as well.
        resource.RLIMIT_DATA: (memory_mb + 1024) * MIB,
        resource.RLIMIT_FSIZE: scratch_mb * MIB,
        resource.RLIMIT_NPROC: processes,
        # DataLoader workers pass one for each tensor; and behind each may be a kernel's buffer.
        resource.RLIMIT_NOFILE: 1024,
        resource.RLIMIT_SIGPENDING: 1024,  # queued signals, and timers
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_CORE: 0,
    }
