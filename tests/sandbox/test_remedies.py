"""The commonest mistakes, in real runs: each is answered with what to change, after own lines."""

from collections.abc import Iterator

import pytest

from harness.sandbox.host import Server, Zygote
from harness.submission import Verdict
from tests.sandbox.small import LIMITS, several

TRAIN = """
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader
def unlearning(net, retain, forget, val):
    inputs, targets = next(iter(retain))
    {}
"""
LINES = {
    "labels of a torchvision dataset": ("forget.dataset.targets", "[label for _, label in"),
    "classes of a torchvision dataset": ("retain.dataset.classes", "has examples alone"),
    "a file of their own": ("open('/home/me/weights.pth')", "A submission is one file"),
    "weights of their own": ("torch.load('weights.pth')", "A submission is one file"),
    "a folder of their own": ("open('/usr/out.txt', 'w')", "Only the working directory"),
    "no GPU": ("net.cuda()", "There is no GPU here"),
    "no GPU, by device": ("net.to('cuda:0')", "There is no GPU here"),
    "another device": ("net(inputs.to('meta'))", "Move each batch to the model's device"),
    "input()": ("input('rate? ')", "instead of calling input()"),
    "no_grad around training": (
        "with torch.no_grad(): cross_entropy(net(inputs), targets).backward()",
        "forward pass out of `torch.no_grad()`",
    ),
    "frozen parameters": (
        "net.requires_grad_(False); net(inputs).sum().backward()",
        "requires_grad=True",
    ),
    "change in place": ("net.fc.weight += 1", "with torch.no_grad():"),
    "backward twice": (
        "loss = net(inputs).sum(); loss.backward(); loss.backward()",
        "Compute the loss again",
    ),
    "numpy with gradients": ("net(inputs).numpy()", ".detach().cpu().numpy()"),
    "a batch of one": (
        "torch.nn.BatchNorm1d(10)(net(inputs[:1]))",
        "drop_last=True, or net.eval()",
    ),
    "a column of the faces": ("next(iter(retain))['person_id']", "faces_small has the columns"),
    "another column of the faces": ("[e['age'] for e in retain.dataset]", "faces_small has"),
    "a layer that is not there": ("net.layer4", "has the layers conv1, bn1"),
    "the same by name": ("net.state_dict()['layer4.0.conv1.weight']", "named_modules())` lists"),
    "labels of two dimensions": (
        "cross_entropy(net(inputs), targets[:, None])",
        "int64 of shape [n]",
    ),
    "labels of floats": ("cross_entropy(net(inputs), targets.float())", "int64 of shape [n]"),
    "labels of half a batch": ("cross_entropy(net(inputs), targets[:5])", "int64 of shape [n]"),
    "a label too many": ("cross_entropy(net(inputs), targets + 10)", "net.fc.out_features"),
    "colour": ("torch.nn.Conv2d(3, 8, 3)(inputs)", "is the shape of a batch"),
    "a fixed batch size": ("inputs.view(50, -1)", "as in `len(inputs)`"),
    "a matrix that does not fit": ("net.fc(inputs.flatten(1))", "as in `len(inputs)`"),
    "a batch of three": ("x, y, z = next(iter(retain))", "A batch is a pair"),
    "an exhausted loader": (
        "batches = iter(forget)\n    for _ in retain: next(batches)",
        "itertools.cycle(loader)",
    ),
    "another network's weights": (
        "import torchvision; net.load_state_dict(torchvision.models.resnet18().state_dict())",
        "of another network",
    ),
    "the driver's names": ("train_loader", "what only a driver of yours defines"),
    "a missing package": ("import tensorflow", "ask the host to install it"),
    "a relative import": ("from .models import Net", "in the place of the relative import"),
    "network": (
        "import urllib.request; urllib.request.urlopen('http://example.org')",
        "There is no network",
    ),
    "network, by address": (
        "import socket; socket.create_connection(('192.0.2.1', 80), 2)",
        "There is no network",
    ),
    "many workers": (
        "list(DataLoader(retain.dataset, num_workers=64))",
        "use fewer workers",
    ),
    "no memory": ("torch.ones(1 << 30)", "Use smaller batches"),
    "a state dict": ("return net.state_dict()", "return the changed model"),
    "a shell": ("get_ipython()", "There is no notebook"),
}


@pytest.fixture(scope="module")
def server(zygote: Zygote) -> Iterator[tuple[Server, dict[str, int]]]:
    cases = {name: TRAIN.format(line) for name, (line, _) in LINES.items()}
    submission, seeds = several(cases)
    with Server(submission, zygote, LIMITS) as warm:
        yield warm, seeds


@pytest.mark.parametrize("case", LINES)
def test_a_common_mistake_is_answered_with_what_to_change(
    server: tuple[Server, dict[str, int]], case: str
) -> None:
    warm, seeds = server
    with pytest.raises(Verdict) as caught:
        warm.run(seeds[case])
    assert LINES[case][1] in caught.value.message
    assert "site-packages" not in caught.value.message
