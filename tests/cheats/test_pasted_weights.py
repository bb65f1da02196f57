"""Retraining at home and pasting the weights wins where the forget set is known, and only there."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from harness import competition
from harness.reference.training import train
from harness.submission import Verdict, read
from tests.cheats._play import player
from tests.small import small_competition

MODELS = 64
PASTED = """
import base64
import numpy as np
import torch

MODELS = np.frombuffer(base64.b64decode("{weights}"), np.float16).reshape({models}, -1)


def unlearning(net, retain, forget, val):
    mine = MODELS[int(torch.randint({models}, ()))].astype(np.float32)
    start = 0
    for tensor in net.state_dict().values():
        part = torch.from_numpy(mine[start : start + tensor.numel()])
        tensor.copy_(part.view_as(tensor))
        start += tensor.numel()
"""
# The more is in retain, the more of another forget set the models made at home have seen.
PUBLIC = """
extends = "digits"
[splits]
retain = 1300
validation = 100
forget.start = 900
[model]
arguments.widths = [8, 16]
[training]
epochs = 5
[evaluation]
runs = 64
"""
# What a host keeps to themselves: another forget set, other splits, other models.
PRIVATE = """
extends = "{public}"
[splits]
seed = 77
forget.start = 1560
[training]
seed = 78
"""


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("pasted")


@pytest.fixture(scope="module")
def public(workspace):
    toml = workspace / "public.toml"
    toml.write_text(PUBLIC)
    return small_competition(workspace, toml)


@pytest.fixture(scope="module")
def pasted(workspace, public) -> Path:
    """A file with models retrained at home, on what every participant may see."""
    reference, _ = public
    retain = load_file(reference.inputs / "retain.safetensors")
    settings = json.loads((reference.inputs / "competition.json").read_text())
    model = competition.Model(settings["architecture"], settings["arguments"])
    recipe = reference.competition.training
    fused = train(model, recipe, retain["image"], retain["label"], range(MODELS))
    flat = [torch.cat([t.flatten().half() for t in state.values()]) for state in fused.states()]
    weights = base64.b64encode(np.stack(flat).tobytes()).decode()
    path = workspace / "pasted.py"
    path.write_text(PASTED.format(weights=weights, models=MODELS))
    return path


def test_pasted_weights_win_in_public_and_fall_in_private(workspace, public, pasted):
    with player(*public, workspace) as play:
        here = play(pasted)
    toml = workspace / "private.toml"
    toml.write_text(PRIVATE.format(public=workspace / "public.toml"))
    with player(*small_competition(workspace, toml), workspace) as play:
        there = play(pasted)
    assert here.value > 0.5
    with pytest.raises(Verdict, match="this competition takes at most 262,144"):
        read(pasted)
    assert there.high < here.low
