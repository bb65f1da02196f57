"""Models that lie in a folder as state dicts are scored as runs of the same weights would be."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from harness import competition, scoring
from harness.__main__ import main
from harness.outputs import Observer
from harness.reference.pools import prepare
from harness.workers import Workers

N = 12


@pytest.fixture(scope="module")
def workspace(trained: Path, tmp_path_factory) -> Path:
    """The small competition, and a folder of models: the original's weights and some noise."""
    here = tmp_path_factory.mktemp("here") / "here"
    shutil.copytree(trained, here)
    (original,) = here.glob("reference/cache/small-*/inputs/original.safetensors")
    (here / "models").mkdir()
    for number in range(N):
        state = noisy(original, number)
        if number % 2:
            torch.save(state, here / f"models/{number:02}.pt")
        else:
            save_file(state, here / f"models/{number:02}.safetensors")
    (here / "models/notes.txt").write_text("no model")
    return here


def noisy(original: Path, seed: int) -> dict[str, torch.Tensor]:
    torch.manual_seed(seed)
    state = load_file(original)
    state["fc.weight"] += 0.3 * torch.randn_like(state["fc.weight"])
    return state


def test_a_folder_scores_as_its_runs_would(workspace, monkeypatch, capsys):
    monkeypatch.chdir(workspace)
    assert main(["score", "models", "--competition", "small.toml", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)

    reference = prepare(competition.load("small.toml", runs=N), False, Workers(1))
    (original,) = reference.inputs.glob("original.safetensors")
    states = [noisy(original, seed) for seed in range(N)]
    observer = Observer(reference.competition.model, reference.data)
    pool = observer.weights([{k: v.numpy() for k, v in s.items()} for s in states])
    labels = reference.data.forget["label"]
    ceiling = scoring.quality(reference.second, reference.retrained, labels)
    expected = scoring.score(pool, reference.retrained, ceiling, labels)
    assert row["score"] == pytest.approx(expected.value, rel=1e-12)
    assert (row["score_low"], row["score_high"]) == pytest.approx((expected.low, expected.high))
    assert row["test_accuracy"] == pytest.approx(pool.test_accuracy.mean())
    assert row["runs"] == N


def test_folders_can_take_the_reference_s_place(workspace, monkeypatch, capsys):
    monkeypatch.chdir(workspace)
    for number, path in enumerate(sorted(Path("models").glob("0*"))):
        for role in ("retrained", "second"):
            Path(role).mkdir(exist_ok=True)
            state = noisy(next(Path().glob("reference/cache/*/inputs/original.safetensors")), 99)
            state["fc.bias"] += (number + 1) * (1 if role == "second" else -1)
            save_file(state, Path(role, path.stem + ".safetensors"))
    many = sorted(Path("models").glob("[01]*"))
    Path("ten").mkdir()
    for path in many[:10]:
        shutil.copy(path, "ten")
    given = ["score", "ten", "retrained", "--second", "second", "--competition", "small.toml"]
    assert main([*given, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == 10


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda state: state.pop("fc.bias"), "lacks 'fc.bias'"),
        (lambda state: state.update(head=torch.ones(1)), "unknown 'head'"),
        (lambda state: state.update({"fc.bias": torch.ones(3)}), "'fc.bias' is torch.float32 [3]"),
        (lambda state: state.update({"fc.bias": state["fc.bias"].half()}), "torch.float16 [10]"),
        (lambda state: state["fc.bias"].fill_(np.nan), "'fc.bias' has NaN"),
    ],
)
def test_weights_that_do_not_fit_are_refused(workspace, monkeypatch, capsys, change, said):
    monkeypatch.chdir(workspace)
    (original,) = Path().glob("reference/cache/small-*/inputs/original.safetensors")
    state = load_file(original)
    change(state)
    shutil.rmtree("odd", ignore_errors=True)
    Path("odd").mkdir()
    torch.save(state, "odd/7.pt")
    assert main(["score", "odd", "--competition", "small.toml"]) == 2
    error = capsys.readouterr().err
    assert f"odd/7.pt{':' if 'is' in said or 'has NaN' in said else ''}" in error
    assert said in error


def touch(path: str) -> str:
    """What code in a pickle would do."""
    Path(path).touch()
    return path


class Evil(dict):
    def __reduce__(self):
        return touch, ("ran",)


@pytest.mark.parametrize(
    "write",
    [
        lambda: Path("odd/a.safetensors").write_bytes(b"\x08" + bytes(20)),
        lambda: Path("odd/a.pt").write_bytes(b"PK\x03\x04 and no more"),
        lambda: torch.save(Evil(), "odd/a.pt"),
        lambda: torch.save([1, 2], "odd/a.pt"),
        lambda: None,
    ],
)
def test_files_that_hold_no_weights_are_refused_and_run_nothing(
    workspace, monkeypatch, capsys, write
):
    monkeypatch.chdir(workspace)
    shutil.rmtree("odd", ignore_errors=True)
    Path("odd").mkdir()
    write()
    assert main(["score", "odd", "--competition", "small.toml"]) == 2
    assert "error: odd" in capsys.readouterr().err
    assert not Path("ran").exists()


def test_a_folder_needs_a_competition(workspace, monkeypatch, capsys):
    monkeypatch.chdir(workspace)
    assert main(["score", "models"]) == 2
    assert "--competition is missing" in capsys.readouterr().err
    assert main(["score", "models", "models", "--competition", "small.toml"]) == 2
    assert "go together" in capsys.readouterr().err
