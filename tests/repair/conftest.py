"""The identifiers as modules, and a repair competition that is small enough for tests."""

import importlib.util
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from harness.repair import competition
from harness.repair.cases import Reference, prepare
from harness.repair.competition import RepairCompetition
from harness.repair.trials import blank
from harness.sandbox.host import Zygote

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
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with its TOML, and its cache."""
    folder = tmp_path_factory.mktemp("workspace")
    (folder / "small_repair.toml").write_text(SMALL)
    return folder


@pytest.fixture(scope="session")
def small(workspace: Path) -> RepairCompetition:
    return competition.load(str(workspace / "small_repair.toml"))


@pytest.fixture(scope="session")
def reference(small: RepairCompetition, workspace: Path) -> Reference:
    """Its flips and originals."""
    here = Path.cwd()
    os.chdir(workspace)
    try:
        return prepare(small)
    finally:
        os.chdir(here)


@pytest.fixture(scope="session")
def zygote(reference: Reference, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    with Zygote(blank(tmp_path_factory.mktemp("blank"), reference)) as zygote:
        yield zygote
