"""The identifiers as modules, and a repair competition that is small enough for tests."""

import importlib.util
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch

from harness.repair import competition
from harness.repair.competition import RepairCompetition
from harness.repair.trials import blank
from harness.sandbox import WarmParent
from reference.flips import Reference, prepare

ROOT = Path(__file__).parents[2]
SMALL = """
extends = "digits_repair"
splits = { train = 150, query = 300, validation = 20 }
model.arguments.widths = [4, 8]
training = { epochs = 8, batch_size = 32 }
evaluation = { seeds = 2, forget = 30, treatments = ["retrain"], limits.seconds = 20 }
"""


@pytest.fixture(scope="session")
def identifier() -> Callable[[str], ModuleType]:
    """A file of `submissions/identify/` as a module, so that its constants can be set."""

    def load(name: str) -> ModuleType:
        path = ROOT / "submissions/identify" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> RepairCompetition:
    path = tmp_path_factory.mktemp("toml") / "small_repair.toml"
    path.write_text(SMALL)
    return competition.load(str(path))


@pytest.fixture(scope="session")
def reference(
    small: RepairCompetition, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Reference]:
    """Its flips and originals, trained in a folder of their own."""
    here, threads = Path.cwd(), torch.get_num_threads()
    os.chdir(tmp_path_factory.mktemp("cache"))
    try:
        yield prepare(small)
    finally:
        os.chdir(here)
        torch.set_num_threads(threads)


@pytest.fixture(scope="session")
def parent(reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmParent]:
    with WarmParent(blank(tmp_path_factory.mktemp("blank"), reference)) as parent:
        yield parent
