"""Inside a run: execute the submission, seed, call it, send back its result or its error."""

from __future__ import annotations

import copy
import gc
import json
import os
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NoReturn

import numpy as np
import torch
import tqdm.std
from safetensors.numpy import save
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader

from harness.batches import Split, loader
from harness.models import build
from harness.sandbox.guest.errors import Fault, describe
from harness.sandbox.guest.loading import devices, function_of, module_of
from harness.sandbox.guest.shield import shielded, silence_signals
from harness.sandbox.guest.template import READY, Order
from harness.sandbox.walls import gpu
from harness.sandbox.walls.policy import OWN_INPUTS, REPORT_BYTES

RESULT = 3  # a run's descriptor for its result


@dataclass
class Start:
    """What all runs of all submissions start from; a run has it copy-on-write."""

    net: nn.Module
    batch_size: int
    splits: tuple[Split, Split, Split]
    expected: dict[str, torch.dtype]

    @classmethod
    def load(cls, inputs: Mapping[str, bytes]) -> Start:
        """Read the files that `host.zygote` describes."""
        competition = json.loads(inputs["competition.json"])
        net = build(competition["architecture"], **competition["arguments"])
        start = cls._read(net, competition["batch_size"], [inputs[name] for name in OWN_INPUTS])
        # A backward pass asks each kind of device for its number, which starts CUDA's driver; and
        # no run can use it when it was started before the fork.
        if not gpu.devices():
            _warm_up(net, start.loaders(True)[0])
        save(_weights(net, start.expected, "unlearning"))
        return start

    def replaced(self, inputs: Sequence[bytes]) -> Start:
        """The same architecture with other weights and splits: what is in `OWN_INPUTS`."""
        return self._read(self.net, self.batch_size, inputs)

    def loaders(self, shuffle: bool, pin_memory: bool = False) -> list[DataLoader]:
        """The first split, the second and the validation set; the last is never shuffled."""
        return [
            loader(split, self.batch_size, shuffled, pin_memory=pin_memory)
            for split, shuffled in zip(self.splits, (shuffle, shuffle, False), strict=True)
        ]

    @classmethod
    def _read(cls, net: nn.Module, batch_size: int, contents: Sequence[bytes]) -> Start:
        original, *splits = (load(content) for content in contents)
        net.load_state_dict(original)
        expected = {name: tensor.dtype for name, tensor in original.items()}
        return cls(net, batch_size, tuple(Split(s) for s in splits), expected)  # type: ignore[arg-type]


def execute(start: Start, job: dict[str, Any], order: Order) -> NoReturn:
    """Run the submission and send what came of it: its weights or scores, or what ended it.

    That is b"W" or b"S" and safetensors, or b"E" and JSON. What fails before the file is touched is
    said through `order.tell`: it is no fault of the submission.
    """
    # Bound now: the submission may replace what these names mean in their modules.
    send, leave, encode, explain, shield = _send, os._exit, save, describe, shielded
    silence, scores_in, weights_in = silence_signals, _scores, _weights
    untrace, unprofile = sys.settrace, sys.setprofile
    name, function = job["name"], job["function"]
    net, loaders, result = _ready(start, job, order)
    device = next(net.parameters()).device
    try:
        with shield():
            module, code = module_of(name, job["source"]), job["source"].encode()
        exec(compile(code, f"{name}.py", "exec"), module.__dict__)
        with shield():
            call = function_of(module, function, job["parameters"])
            further = dict.fromkeys(devices(call), device)
            _seed(order.seed, device)
        returned = call(net, *loaders, **further)  # the participant's function, here and only here
        untrace(None), unprofile(None)
        silence()
        with shield():
            if function == "identify":
                reply = b"S" + encode({"scores": scores_in(returned)})
            else:
                changed = net if returned is None else returned
                reply = b"W" + encode(weights_in(changed, start.expected, function))
    except BaseException as error:
        untrace(None), unprofile(None)
        silence()
        with shield():
            status, message = explain(error, f"{name}.py")
            said = json.dumps({"status": status, "message": message[-REPORT_BYTES // 8 :]})
        reply = b"E" + said.encode()
    try:
        send(result, reply)
    finally:
        leave(0)


def _ready(start: Start, job: dict[str, Any], order: Order) -> tuple[nn.Module, list, int]:
    """The model on its device, the loaders, and where the result goes; the clock starts here.

    On a GPU batches stay on the CPU, as in the challenge, where files call `.numpy()` on them or
    load them in workers, but in memory that torch locks once and uses again for each. The GPU's
    memory is bounded in good faith only: a run that lifts its own limit takes from those beside it.
    """
    try:
        net = start.net
        if job["device"] == "cuda":
            if job["gpu"]:
                os.environ["CUDA_VISIBLE_DEVICES"] = job["gpu"]
            total_mb = torch.cuda.mem_get_info()[1] >> 20
            share = job["limits"]["gpu_memory_mb"] / total_mb
            torch.cuda.set_per_process_memory_fraction(min(1.0, share))
            net = net.to("cuda")
        elif gpu.devices():
            os.environ["CUDA_VISIBLE_DEVICES"] = ""
        # Scores come in the order of the examples.
        shuffled, pinned = job["function"] != "identify", job["device"] == "cuda"
        loaders = start.loaders(shuffled, pin_memory=pinned)
        sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        gc.enable()
        gc.collect()  # its counts would tell how many runs were forked before
    except BaseException as error:
        shut = gpu.shut() if job["device"] == "cuda" else ""
        what = (
            f"{job['device']} cannot be used in the sandbox{shut}: {type(error).__name__}: {error}"
        )
        os.write(order.tell, what[:1000].encode())
        os._exit(1)
    os.write(order.tell, READY)
    os.close(order.tell)
    # The same for all runs, so that it does not tell how many others there are.
    if order.result != RESULT:
        os.dup2(order.result, RESULT)
        os.close(order.result)
    return net, loaders, RESULT


def import_training() -> None:
    """Import what torch would import at an optimizer's first step."""
    # More would be missing in the forked runs, which hang. And here, as it makes torch forget the
    # kernels that it has compiled: in each run that cost 4 ms.
    torch.set_num_threads(1)
    torch.optim.SGD([torch.zeros(1, requires_grad=True)]).step()


def draw_bars_as_text() -> None:
    """Replace `tqdm.notebook`, whose bars ask for a browser."""

    class Bar(tqdm.std.tqdm):
        def __init__(self, *args: Any, display: bool = True, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)

    module: Any = ModuleType("tqdm.notebook")
    module.tqdm = module.tqdm_notebook = Bar
    module.trange = module.tnrange = tqdm.std.trange
    sys.modules["tqdm.notebook"] = tqdm.notebook = module


def _warm_up(net: nn.Module, loader: DataLoader) -> None:
    """Train a copy for two steps: no run pays for what happens only the first time.

    oneDNN alone compiles kernels for each shape of a layer's input, so the steps have the two
    batch sizes of an epoch.
    """
    _seed(0, torch.device("cpu"))
    net = copy.deepcopy(net).train()
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    inputs, targets = next(iter(loader))
    remainder = len(loader.sampler) % len(inputs)  # type: ignore[arg-type]
    for size in {len(inputs), remainder or len(inputs)}:
        optimizer.zero_grad()
        cross_entropy(net(inputs[:size]), targets[:size]).backward()
        optimizer.step()


def _seed(seed: int, device: torch.device) -> None:
    """After the file was executed: many a submission seeds with a constant when imported."""
    # Not torch.manual_seed, which formats a stack trace for each kind of device that is absent.
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed_all(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002  what submissions draw from
    random.seed(seed)


def _scores(returned: object) -> np.ndarray:
    """Real numbers as float64; their length and values are judged outside."""
    try:
        scores = torch.as_tensor(returned).detach().to("cpu")
    except (TypeError, ValueError, RuntimeError):
        raise Fault(
            "invalid_scores",
            f"`identify` returned {_a(returned)}; return a tensor with one score for each "
            "training example.",
        ) from None
    if scores.is_complex() or scores.dtype == torch.bool or scores.layout != torch.strided:
        raise Fault(
            "invalid_scores", f"scores of type {scores.dtype} cannot be ranked; return floats."
        )
    return np.array(scores.double(), order="C")


def _weights(
    returned: object, expected: dict[str, torch.dtype], function: str
) -> dict[str, np.ndarray]:
    if not isinstance(returned, nn.Module):
        raise Fault(
            "invalid_submission",
            f"`{function}` returned {_a(returned)}; return the changed model "
            "(a torch.nn.Module), or None after changing `net` in place.",
        )
    state = {}
    for name, value in returned.state_dict().items():
        if not isinstance(value, Tensor) or value.layout != torch.strided or value.is_meta:
            raise Fault(
                "invalid_weights", f"state_dict()[{name!r}] is {_a(value)}, not a dense tensor."
            )
        dtype = expected.get(name, torch.float32)
        half = value.is_floating_point() and dtype.is_floating_point
        own = value.detach().to("cpu", dtype if half else value.dtype)
        state[name] = np.array(own, order="C")
    return state


def _a(value: object) -> str:
    return f"an object of type {type(value).__name__}"


def _send(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
