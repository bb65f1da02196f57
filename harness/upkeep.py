"""What a host does with results: takes a row off the board, packs a competition into one file."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import harness
from harness import competition as competitions
from harness import leaderboard, names, sources, store, teams
from harness.competition import CompetitionError
from harness.epsilon import METRIC_VERSION
from harness.reference.pools import cached

README = """\
{name}: a competition of the unlearning harness, metric version {metric}.

results/{name}/leaderboard.csv is the board and results/{name}/report.html the page; both can be
opened as they are. With the harness, in this folder:

    harness leaderboard --competition {name}

The images, the original model and the secret of the seeds are not here. Where the images are,
`harness evaluate` trains the original model again and takes everything else from here.
archive.json has the SHA-256 of each file.
"""


def remove(competition: str, name: str) -> Iterator[str]:
    """Take a submission's rows, runs and log off a competition's board.

    Yields
    ------
    str
        What was done, and what would bring it back.

    Raises
    ------
    CompetitionError
        If it has no row.
    """
    settings = competitions.load(competition)
    results, home = leaderboard.results_folder(settings.name), teams.home(settings)
    folder = leaderboard.submission_folder(results, name)
    if not folder.is_dir():
        known = sorted(path.name for path in results.glob("submissions/*"))
        raise CompetitionError(f"no row {name!r} in {results}; there are: {', '.join(known)}")
    with store.lock(results):
        references = leaderboard.read(results / "leaderboard.csv")["reference"]
        shutil.rmtree(folder)
        leaderboard.update(results, next(iter(references), ""))
    yield f"{name} is off the board of {settings.name}"
    if teams.forget(home, name):
        yield f"{home / teams.LEDGER} says so; the next `harness teams` leaves it out"
    for path in (Path("submissions") / f"{name}{suffix}" for suffix in names.SUFFIXES):
        if path.exists():
            yield f"{path} is still there: an evaluation of the folder brings it back"


def archive(competition: str) -> Iterator[str]:
    """Pack a competition into `results/<name>.zip`, as its README says.

    Yields
    ------
    str
        Where the archive is.

    Raises
    ------
    CompetitionError
        If nothing was evaluated yet, or if its data cannot be read.
    Busy
        If an evaluation is under way.
    """
    settings = competitions.load(competition)
    results = leaderboard.results_folder(settings.name)
    board = results / "leaderboard.csv"
    if not board.exists():
        raise CompetitionError(f"there is no {board} yet: evaluate something first")
    runs = int(leaderboard.read(board)["runs"].max())
    reference = cached(competitions.load(competition, runs=runs))
    packed = {_inside(path): path for path in sources.files(sources.find(competition))}
    for place in (results, reference.folder / "pools" if reference else results):
        packed |= {path.as_posix(): path for path in sorted(place.rglob("*")) if _is_kept(path)}
    about = {
        "competition": settings.name,
        "harness": harness.__version__,
        "metric_version": METRIC_VERSION,
        "reference": reference.folder.name if reference else None,
    }
    path = results.with_suffix(".zip")
    with (
        store.lock(results),
        store.replacing(path) as temporary,
        zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as file,
    ):
        for name, own in packed.items():
            file.write(own, name)
        digests = {name: _digest(own) for name, own in packed.items()}
        file.writestr("archive.json", json.dumps(about | {"sha256": digests}, indent=1))
        file.writestr("README.txt", README.format(name=settings.name, metric=METRIC_VERSION))
    yield str(path)


def _inside(toml: Path) -> str:
    """Where a competition's file lies in the archive: where it lies here, or in `reference/`."""
    if toml.resolve().is_relative_to(Path.cwd()):
        return toml.resolve().relative_to(Path.cwd()).as_posix()
    return f"reference/{toml.name}"


def _is_kept(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and path.name != "secret"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
