"""The policy: what a run may see, call and use, in one place, with the reason for each line."""

from __future__ import annotations

import errno
import os
import resource
from pathlib import Path

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


def gpu_devices() -> list[str]:
    """Device nodes of NVIDIA GPUs; not one path is there on a machine without."""
    return sorted(str(path) for path in Path("/dev").glob("nvidia*"))


def environment(guest_path: str) -> dict[str, str]:
    """The whole environment of the guest; nothing is inherited but the choice of a GPU."""
    chosen = {
        name: os.environ[name]
        for name in ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER")
        if name in os.environ
    }
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


# --- What may be called ---------------------------------------------------------------------

# Numbers on (x86_64, aarch64); None where the architecture has no such call.
# A run that calls one of these is killed: no honest code does.
KILLED = {
    "ptrace": (101, 117),  # other processes' memory
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),  # other processes' files
    "unshare": (272, 97),  # namespaces: new capabilities, new attack surface
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),  # files by inode, past every path rule
    "bpf": (321, 280),
    "kexec_load": (246, 104),
    "init_module": (175, 105),
    "finit_module": (313, 273),
}
# These fail with an errno, because libraries probe for them and do without.
REFUSED = {
    "clone3": (435, 435, errno.ENOSYS),  # its flags cannot be filtered; glibc falls back
    "io_uring_setup": (425, 425, errno.ENOSYS),  # would do calls that this filter cannot see
    "io_uring_enter": (426, 426, errno.ENOSYS),
    "io_uring_register": (427, 427, errno.ENOSYS),
    "memfd_create": (319, 279, errno.ENOSYS),  # memory that no limit counts
    "memfd_secret": (447, 447, errno.ENOSYS),
    "shmget": (29, 194, errno.ENOSYS),  # System V memory: counted nowhere while detached
    "process_vm_readv": (310, 270, errno.EPERM),
    "perf_event_open": (298, 241, errno.EPERM),
    "userfaultfd": (323, 282, errno.EPERM),
    "keyctl": (250, 219, errno.EPERM),  # the kernel's keyrings are shared between runs
    "add_key": (248, 217, errno.EPERM),
    "request_key": (249, 218, errno.EPERM),
}
# Below level full Landlock guards files by path, but not what these do: they do nothing, and those
# with errno 0 say that they did, because copying a file sets its mode and must not fail over it.
UNGUARDED = {
    "chmod": (90, None, 0),
    "fchmod": (91, 52, 0),
    "fchmodat": (268, 53, 0),
    "fchmodat2": (452, 452, 0),
    "chown": (92, None, 0),
    "fchown": (93, 55, 0),
    "lchown": (94, None, 0),
    "fchownat": (260, 54, 0),
    "utime": (132, None, 0),
    "utimes": (235, None, 0),
    "futimesat": (261, None, 0),
    "utimensat": (280, 88, 0),
    "setxattr": (188, 5, errno.ENOTSUP),
    "lsetxattr": (189, 6, errno.ENOTSUP),
    "fsetxattr": (190, 7, errno.ENOTSUP),
    "removexattr": (197, 14, errno.ENOTSUP),
    "lremovexattr": (198, 15, errno.ENOTSUP),
    "fremovexattr": (199, 16, errno.ENOTSUP),
    "inotify_add_watch": (254, 27, errno.EACCES),  # tells the names of new files in hidden folders
    "fanotify_init": (300, 262, errno.EPERM),
    "msgget": (68, 186, errno.ENOSYS),  # message queues and semaphores outlive a run
    "semget": (64, 190, errno.ENOSYS),
    "mq_open": (240, 180, errno.ENOSYS),
}
CLONE = (56, 220)
CLONE_NEW = 0x7E020080  # every CLONE_NEW* flag
PRLIMIT = (302, 261)  # of oneself only: to limit another process of the same user can end it
IOCTL = (16, 29)
TERMINAL_INJECTION = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
SOCKET = (41, 198)
AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
# In an empty network namespace these reach nothing; AF_VSOCK would still reach a hypervisor.
FAMILIES_IN_OWN_NETWORK = (AF_UNIX, AF_INET, AF_INET6, AF_NETLINK)
# Without one only local sockets are left, which DataLoader workers need.
FAMILIES_IN_SHARED_NETWORK = (AF_UNIX,)

# --- What may be used -----------------------------------------------------------------------

MIB = 1 << 20
WATCH_SECONDS = 0.1  # between two looks at a run's memory
REPORT_BYTES = 64 << 10  # of an error's message
HEADER_BYTES = 4 << 20  # of a result's safetensors header


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
        resource.RLIMIT_NOFILE: 4096,  # DataLoader workers pass one for each tensor
        resource.RLIMIT_CORE: 0,
    }
