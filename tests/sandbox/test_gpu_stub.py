"""A pretended GPU: when CUDA is started, what its driver may do, whose fault it is if it fails."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.sandbox.guest.ahead import MODULES
from harness.sandbox.walls import files, policy
from tests.sandbox.small import LIMITS

STUBS = Path(__file__).parent / "stub_driver"
LOOK = """
import json, os, torch
def unlearning(net, retain, forget, val):
    print(json.dumps({"cuda": torch.cuda.is_available(), "sys": os.listdir("/sys"),
        "devices": os.listdir("/sys/devices"), "class": os.path.exists("/sys/class")}))
"""
# Two runs on two GPUs, as a host does them, and what came of each.
HOST = f"""
import json, sys
from pathlib import Path
from harness.competition import Limits
from harness.sandbox.host import SandboxError, Server, Servers, Zygote
from harness.submission import Submission, Verdict
submission = Submission("mine", Path("mine.py"), {LOOK.encode()!r}, "", {sorted(MODULES)!r})
limits = Limits(**json.loads(sys.argv[2]))
came = []
with Zygote(Path(sys.argv[1]), require=sys.argv[4]) as zygote:
    own = submission, zygote, limits
    make = lambda gpu, inputs: Server(*own, inputs=inputs, device=sys.argv[3], gpu=gpu)
    with Servers(make, ["0", "GPU-1"]) as servers:
        before = Path("/dev/nvidiactl").read_text()
        for run in (0, 1):
            try:
                came.append(["result", servers.run(run, seed=1 + run).output])
            except Verdict as verdict:
                came.append([verdict.status, verdict.message])
            except SandboxError as error:
                came.append(["fault", str(error)])
print(json.dumps([zygote.isolation.level, before, Path("/dev/nvidiactl").read_text(), came]))
"""
DEVICE = """
import os, torch
from harness.competition import CompetitionError
from harness.device import device
for name in (None, ""):
    if os.fork() == 0:
        if name is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = name
        try:
            print(device(), flush=True)
        except CompetitionError as error:
            print(error, flush=True)
        os._exit(0)
    os.wait()
"""
BACKWARD = """
import torch
from pathlib import Path
from harness.sandbox.guest.ahead import prove_clean
weights = torch.nn.Linear(2, 2)
torch.optim.SGD(weights.parameters()).step()
loss = weights(torch.ones(1, 2)).sum()
prove_clean()
assert not Path("/dev/nvidiactl").read_text()
loss.backward()
prove_clean()
"""


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if os.geteuid() or not shutil.which("gcc"):
        pytest.skip("only root, with gcc, can pretend to have a GPU")
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("root has no mount namespaces here")
    folder = tmp_path_factory.mktemp("stubs")
    for source, library in (("cuda.c", "libcuda.so.1"), ("nvml.c", "libnvidia-ml.so.1")):
        line = ["gcc", "-shared", "-fPIC", "-o", str(folder / library), str(STUBS / source)]
        subprocess.run(line, check=True)
    for place in (folder, *folder.parents):
        if place.is_relative_to("/tmp") and place != Path("/tmp"):
            place.chmod(0o755)
    return folder


def on_a_machine_with_a_gpu(
    stubs: Path, *line: str, **environment: str
) -> subprocess.CompletedProcess:
    machine = ["unshare", "--mount", "sh", str(STUBS / "machine.sh"), str(stubs)]
    return subprocess.run(
        [*machine, sys.executable, "-c", *line],
        capture_output=True,
        text=True,
        cwd=files.PACKAGE.parent,
        env=os.environ | policy.environment(str(files.PACKAGE.parent)) | environment,
    )


def host(stubs: Path, inputs: Path, device: str, level: str, **environment: str) -> list:
    arguments = [HOST, str(inputs), json.dumps(LIMITS.__dict__), device, level]
    environment |= {"UNLEARNING_ISOLATION": level}
    done = on_a_machine_with_a_gpu(stubs, *arguments, **environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("level", ["full", "partial", "none"])
def test_cuda_starts_once_in_each_run_and_never_before(
    stubs: Path, inputs: Path, level: str
) -> None:
    _, before, log, came = host(stubs, inputs, "cuda", level)
    assert before == ""
    # "0": its first steps, an anonymous file and a thread's name, are allowed.
    starts = [line.split(" NSpid")[0] for line in log.splitlines()]
    assert starts == ["cuInit 0 on 0", "cuInit 0 on GPU-1"]
    # The stub can do no more than start. Whatever ails a driver, no submission is to blame.
    assert [kind for kind, _ in came] == ["fault", "fault"]
    assert all("cuda cannot be used in the sandbox" in text for _, text in came)


def test_a_driver_that_fails_is_the_hosts_fault_and_is_quoted(stubs: Path, inputs: Path) -> None:
    _, _, log, came = host(stubs, inputs, "cuda", "full", BROKEN="1")
    assert [line.split()[:2] for line in log.splitlines()] == [["cuInit", "100"]] * 2
    assert [kind for kind, _ in came] == ["fault", "fault"]
    assert "No CUDA GPUs are available" in came[0][1] or "no CUDA-capable device" in came[0][1]


def test_without_nvml_and_with_a_part_of_a_gpu_cuda_starts_no_earlier(
    stubs: Path, inputs: Path, tmp_path: Path
) -> None:
    shutil.copy(stubs / "libcuda.so.1", tmp_path)
    tmp_path.chmod(0o755)
    chosen = {"CUDA_VISIBLE_DEVICES": "MIG-1", "SHUT": "1"}
    _, before, log, came = host(tmp_path, inputs, "cuda", "full", **chosen)
    assert before == ""
    assert len(log.splitlines()) == len(came)
    assert came[0][0] == "fault"
    assert "runs may not open /dev/nvidia0 (chmod a+rw)" in came[0][1]


def test_in_nvidias_containers_the_host_is_told_what_to_unmount(stubs: Path) -> None:
    code = "from harness.sandbox.host import isolation_level; print(*isolation_level())"
    done = on_a_machine_with_a_gpu(stubs, code, COVERED="1")
    assert not done.stdout.startswith("full")
    assert "as root, umount -R /proc/driver/nvidia" in done.stdout


@pytest.mark.parametrize("driver", ["broken", "none"])
def test_a_gpu_that_the_host_cannot_use_is_no_silent_cpu(stubs: Path, driver: str) -> None:
    where = stubs if driver == "broken" else stubs.parent
    as_a_host = {"PYTORCH_NVML_BASED_CUDA_CHECK": "0", "BROKEN": "1"}
    done = on_a_machine_with_a_gpu(where, DEVICE, **as_a_host)
    unset, empty = done.stdout.splitlines()
    reason = "no CUDA-capable device|No CUDA GPUs" if driver == "broken" else "no NVIDIA driver"
    assert re.match(f"there is an NVIDIA GPU, but torch cannot use it: .*({reason})", unset)
    assert "set CUDA_VISIBLE_DEVICES= to work on the CPU" in unset
    assert empty == "cpu"


def test_nodes_without_a_driver_are_no_silent_cpu(inputs: Path, stubs: Path) -> None:
    _, _, _, came = host(stubs.parent, inputs, "cuda", "full")
    assert [kind for kind, _ in came] == ["fault", "fault"]


def test_on_the_cpu_no_gpu_is_seen_and_of_sys_only_what_a_driver_reads(
    stubs: Path, inputs: Path
) -> None:
    level, _, log, came = host(stubs, inputs, "cpu", "full")
    assert log == ""
    assert level == "full"
    seen = json.loads(came[0][1])
    assert not seen["cuda"]
    assert not seen["class"]
    assert set(seen["sys"]) <= {"bus", "devices", "module"}
    assert all(name == "system" or name.startswith("pci") for name in seen["devices"])


def test_a_backward_pass_starts_cuda_and_is_noticed(stubs: Path) -> None:
    done = on_a_machine_with_a_gpu(stubs, BACKWARD)
    assert done.stderr.rstrip().endswith("CUDA has started in the process that forks the runs")
