"""A competition on the real digits that is small enough for tests: few models, few epochs."""

import os
from dataclasses import replace
from pathlib import Path

from harness import competition
from harness.outputs import Observer
from harness.reference.pools import Reference, prepare
from harness.workers import Workers

TOML = Path(competition.PACKAGED / "digits.toml").read_text()
SMALL = (
    TOML.replace("epochs = 12", "epochs = 3")
    .replace("widths = [8, 16, 32]", "widths = [8, 16]")
    .replace("runs = 512", "runs = 32")
    .replace("seconds = 60", "seconds = 20")
    .replace("count = 64", "count = 6")
)


def small_toml(folder: Path) -> Path:
    """The competition's file, written into `folder`."""
    path = folder / "small.toml"
    path.write_text(SMALL)
    return path


def small_competition(workspace: Path, toml: Path | None = None) -> tuple[Reference, Observer]:
    """Its reference, or another's, trained below `workspace`, and what computes outputs for it."""
    settings = competition.load(str(toml or small_toml(workspace)))
    here = Path.cwd()
    os.chdir(workspace)
    try:
        reference = prepare(settings, progress=False, workers=Workers(1))
    finally:
        os.chdir(here)
    absolute = replace(
        reference, folder=workspace / reference.folder, inputs=workspace / reference.inputs
    )
    return absolute, Observer(settings.model, absolute.data)
