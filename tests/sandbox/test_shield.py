"""What a file leaves behind, by its name or by its settings, does not make a correct file fail."""

from pathlib import Path

import pytest

from harness.sandbox.host import Server, Zygote
from harness.submission import Verdict
from tests.sandbox.small import LIMITS, submit

NAMES = ["random", "queue", "torch", "numpy", "submission", "json", "signal", "my file", "harness"]
USES = """
import json, multiprocessing, queue, random, signal
import numpy, torch
def unlearning(net, retain, forget, val):
    workers = torch.utils.data.DataLoader(retain.dataset, 32, num_workers=1)
    assert sum(len(y) for _, y in workers) == len(retain.dataset)
    assert random.random() and queue.Queue and signal.SIGALRM
    net.fc.bias.data[0] = torch.rand(())
"""
SETTINGS = {
    "warnings are errors": "import warnings; warnings.simplefilter('error')",
    "double precision": "torch.set_default_dtype(torch.float64)",
    "another default device": "torch.set_default_device('meta')",
    "a device that is entered and not left": "torch.device('meta').__enter__()",
    "no gradients": "torch.set_grad_enabled(False)",
    "inference mode": "torch.inference_mode().__enter__()",
    "deterministic algorithms": "torch.use_deterministic_algorithms(True)",
    "anomaly detection": "torch.autograd.set_detect_anomaly(True)",
    "a small recursion limit": "import sys; sys.setrecursionlimit(40)",
    "floating point errors": "numpy.seterr(all='raise')",
    "a trace function": "import sys; sys.settrace(lambda *_: 1 / 0)",
    "a profile function": "import sys; sys.setprofile(lambda *_: None)",
    "an alarm": "import signal; signal.signal(14, lambda *_: 1 / 0); signal.setitimer(0, 0.1)",
}
AT_IMPORT = {"double precision", "warnings are errors", "no gradients", "deterministic algorithms"}


def run(folder: Path, zygote: Zygote, text: str, name: str = "mine") -> dict:
    with Server(submit(folder, text, name), zygote, LIMITS) as server:
        return server.run(3).weights


@pytest.mark.parametrize("name", NAMES)
def test_a_file_may_be_called_as_a_module(tmp_path: Path, zygote: Zygote, name: str) -> None:
    assert "fc.bias" in run(tmp_path, zygote, USES, name)


def test_a_traceback_names_the_file_as_its_author_does(tmp_path: Path, zygote: Zygote) -> None:
    with pytest.raises(Verdict, match='File "random.py", line 2, in unlearning\n    1 / 0'):
        run(tmp_path, zygote, "def unlearning(net, retain, forget, val):\n    1 / 0", "random")


@pytest.mark.parametrize("kind", SETTINGS)
def test_settings_left_behind_do_no_harm(tmp_path: Path, zygote: Zygote, kind: str) -> None:
    text = f"""
import numpy, time, torch
def unlearning(net, retain, forget, val):
    net.fc.bias.data.fill_(0.5)
    whole = net.state_dict
    net.state_dict = lambda: (time.sleep(0.3), whole())[1]  # so that an alarm has its time
    {SETTINGS[kind]}
"""
    weights = run(tmp_path, zygote, text)
    assert weights["fc.bias"].dtype == "float32"
    assert (weights["fc.bias"] == 0.5).all()


@pytest.mark.parametrize("kind", sorted(AT_IMPORT))
def test_settings_made_at_import_stand_in_the_function(
    tmp_path: Path, zygote: Zygote, kind: str
) -> None:
    text = f"""
import numpy, torch, warnings
{SETTINGS[kind]}
def unlearning(net, retain, forget, val):
    print(torch.get_default_dtype(), torch.is_grad_enabled(), warnings.filters[0][0],
          torch.are_deterministic_algorithms_enabled())
"""
    with Server(submit(tmp_path, text), zygote, LIMITS) as server:
        seen = server.run(3).output
    expected = {
        "double precision": "torch.float64 True",
        "warnings are errors": "True error",
        "no gradients": "torch.float32 False",
        "deterministic algorithms": "True\n",
    }
    assert expected[kind] in seen


@pytest.mark.parametrize("kind", SETTINGS)
def test_the_error_of_a_file_is_told_whatever_it_has_set(
    tmp_path: Path, zygote: Zygote, kind: str
) -> None:
    text = f"""
import numpy, torch
def unlearning(net, retain, forget, val):
    {SETTINGS[kind]}
    raise KeyError("the culprit")
"""
    with pytest.raises(Verdict) as caught:
        run(tmp_path, zygote, text)
    if kind != "a trace function":  # which may raise an error of its own
        assert "the culprit" in caught.value.message
    assert caught.value.status == "crashed"
