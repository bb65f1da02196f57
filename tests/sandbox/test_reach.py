"""What a run at level full can see: all is listed, and only what the policy names is there."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.sandbox.host import Server, Zygote
from harness.sandbox.walls import files, policy
from tests.sandbox.small import LIMITS, unread

LISTING = """
import ctypes, json, os, socket, resource

def end_signal():
    found = ctypes.c_int()
    ctypes.CDLL(None).prctl(2, ctypes.byref(found), 0, 0, 0)  # PR_GET_PDEATHSIG
    return found.value

def unlearning(net, retain, forget, val):
    files, writable = [], []
    for folder, folders, names in os.walk("/"):
        writable += [folder] * os.access(folder, os.W_OK)
        skipped = ("/proc", "/sys", "/usr", {visible})
        folders[:] = [f for f in folders if os.path.join(folder, f) not in skipped]
        files += [os.path.join(folder, name) for name in names]
    print(json.dumps({{
        "files": files,
        "visible": os.listdir("/") + os.listdir("/dev"),
        "writable": writable,
        "processes": [name for name in os.listdir("/proc") if name.isdigit()],
        "descriptors": {{fd: os.readlink(f"/proc/self/fd/{{fd}}") for fd in ("0", "1", "2", "3")}},
        "open": len(os.listdir("/proc/self/fd")) - 1,
        "environment": dict(os.environ),
        "initial": open("/proc/self/environ").read(),
        "uid": [os.getuid(), os.geteuid(), os.getgid(), os.getegid()],
        "groups": os.getgroups(),
        "status": dict(l.split(":\\t", 1) for l in open("/proc/self/status").read().splitlines()),
        "interfaces": [name for _, name in socket.if_nameindex()],
        "routes": open("/proc/self/net/route").read().splitlines()[1:],
        "host": socket.gethostname(),
        "limits": {{n: resource.getrlimit(getattr(resource, n)) for n in ("RLIMIT_NPROC",
            "RLIMIT_FSIZE", "RLIMIT_CORE", "RLIMIT_DATA", "RLIMIT_NOFILE", "RLIMIT_SIGPENDING",
            "RLIMIT_MSGQUEUE")}},
        "hash": hash("label"),
        "session": os.getsid(0),
        "signal": end_signal(),
        "mounts": open("/proc/self/mounts").read().splitlines(),
    }}))
"""


@pytest.fixture(scope="module")
def seen(zygote: Zygote) -> Iterator[dict]:
    visible = ", ".join(repr(folder) for folder in files.visible())
    with Server(unread(LISTING.format(visible=visible)), zygote, LIMITS) as server:
        if server.level != "full":
            pytest.skip(f"this machine gives {server.level}: {server.missing}")
        yield json.loads(server.run(0).output)


def test_the_files_are_those_of_the_policy(seen: dict) -> None:
    allowed = {
        *files.program(),
        *(f"/inputs/{name}" for name in policy.INPUT_FILES),
        *policy.DEVICES,
        *policy.LINKS,
        "/tmp/mine.py",
    }
    others = {file for file in seen["files"] if not file.startswith(policy.SYSTEM)}
    to_folders = {"/dev/fd", *(path for path in policy.LINKS if path.startswith("/kaggle/"))}
    assert others == allowed - to_folders


def test_the_repository_and_the_homes_are_not_there(seen: dict) -> None:
    checkout = files.PACKAGE.parent
    assert not any(Path(file).is_relative_to(checkout) for file in seen["files"])
    assert "home" not in seen["visible"]
    assert not any(file.endswith(("passwd", "shadow")) for file in seen["files"])


def test_only_scratch_can_be_written(seen: dict) -> None:
    # Below /tmp lie empty folders on the way to a checkout that lies there too.
    assert {path for path in seen["writable"] if not path.startswith("/tmp/")} == {
        "/tmp",
        "/dev/shm",
    }
    read_only = {line.split()[1]: "ro" in line.split()[3].split(",") for line in seen["mounts"]}
    assert read_only["/"]
    assert read_only["/usr"]
    assert all(read_only[folder] for folder in files.visible())


def test_it_sees_no_process_but_itself(seen: dict) -> None:
    assert seen["processes"] == ["1"]


def test_it_leads_a_session_and_ends_with_its_server(seen: dict) -> None:
    assert seen["session"] == 1
    assert seen["signal"] == signal.SIGKILL


def test_it_holds_nothing_but_its_pipes(seen: dict) -> None:
    assert seen["open"] == 4
    assert seen["descriptors"]["0"] == "/dev/null"
    assert all(seen["descriptors"][fd].startswith("pipe:") for fd in "123")


def test_its_environment_is_written_out_here(seen: dict) -> None:
    wanted = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        **dict.fromkeys(("HOME", "TMPDIR"), "/tmp"),
        **dict.fromkeys(("USER", "LOGNAME"), "participant"),
        "LANG": "C.UTF-8",
        "PYTHONPATH": "/guest",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
        "PYTORCH_NVML_BASED_CUDA_CHECK": "1",
    }
    # Libraries add to it (KMP_...), and so does a GPU; the host's variables are not there.
    assert {name: seen["environment"][name] for name in wanted} == wanted
    assert not {"SUDO_USER", "OLDPWD", "VIRTUAL_ENV"} & set(seen["environment"])
    initial = {entry.partition("=")[0] for entry in seen["initial"].split("\0") if entry}
    of_gpu = {"CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "LD_LIBRARY_PATH"}
    assert initial <= set(wanted) | of_gpu | {"PWD"}
    ask = [sys.executable, "-c", "print(hash('label'))"]
    done = subprocess.run(ask, env={"PYTHONHASHSEED": "0"}, capture_output=True, text=True)
    assert seen["hash"] == int(done.stdout)  # sets iterate alike in all runs


def test_it_is_nobody_and_can_become_no_one(seen: dict) -> None:
    assert 0 not in seen["uid"]
    # Groups other than its own show as the overflow group, 65534: it holds no rights there.
    assert set(seen["groups"]) <= {policy.UID, os.getgid()} - {0}
    status = seen["status"]
    for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        assert int(status[kind], 16) == 0
    assert status["NoNewPrivs"].strip() == "1"
    assert status["Seccomp"].strip() == "2"


def test_its_network_is_empty(seen: dict) -> None:
    assert set(seen["interfaces"]) <= {"lo"}
    assert seen["routes"] == []
    assert seen["host"] == "sandbox"


def test_its_limits_are_the_competitions(seen: dict) -> None:
    limits = seen["limits"]
    assert limits["RLIMIT_CORE"] == limits["RLIMIT_MSGQUEUE"] == [0, 0]
    assert limits["RLIMIT_NOFILE"] == limits["RLIMIT_SIGPENDING"] == [1024, 1024]
    assert limits["RLIMIT_FSIZE"] == [LIMITS.scratch_mb << 20] * 2
    assert limits["RLIMIT_DATA"] == [(LIMITS.memory_mb + 1024) << 20] * 2
    assert LIMITS.processes <= limits["RLIMIT_NPROC"][0] <= LIMITS.processes + 8
