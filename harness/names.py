"""Which files are submissions, and what their rows are called."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from harness.competition import CompetitionError
from harness.text import clean, shorten

SUFFIXES = (".py", ".ipynb")  # of two files with one name, the first has the row
LONGEST = 64  # characters of a name
LONGEST_TEAM = LONGEST - 8  # the number of an attempt follows it
_LISTED = 5  # files that one line names


def check(paths: Sequence[Path]) -> None:
    """Refuse files that would share a row, which is named by a file's stem.

    Raises
    ------
    FileNotFoundError
        If a path is not a file.
    CompetitionError
        If two of them would, or one of them and another file in `submissions/`.
    """
    inside = Path("submissions").resolve()
    seen: dict[str, Path] = {}
    for path in paths:
        must_exist(path)
        name = row_name(path)
        other = seen.setdefault(name, path)
        if path.resolve().parent != inside:
            beside = (Path("submissions") / f"{path.stem}{suffix}" for suffix in SUFFIXES)
            other = next((file for file in beside if file.exists()), other)
        if other != path:
            raise CompetitionError(
                f"{other} and {path} would share the row {name!r}; rename one of them"
            )


def must_exist(path: Path) -> None:
    """Raise FileNotFoundError if there is no file, and suggest a similar name."""
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        others = [other.name for other in path.parent.glob("*") if other.suffix in SUFFIXES]
        nearest = "".join(f"; did you mean {n}?" for n in get_close_matches(path.name, others, 1))
        raise FileNotFoundError(f"{path} {what}; a submission is one .py or .ipynb file{nearest}")


def row_name(path: Path) -> str:
    """The name of a file's row, safe to show."""
    return _shown(path.stem)


def _shown(name: str) -> str:
    return clean(unicodedata.normalize("NFC", name).replace("\n", "\\n"))[: 2 * LONGEST]


def is_name(name: str) -> bool:
    """Whether a row and a folder may have this name, given by `row_name`."""
    return (
        0 < len(name) <= LONGEST
        and _of_a_word(name[0], "L")
        and all(_of_a_word(character, "LM") or character in "._ -" for character in name)
    )


def _of_a_word(character: str, kinds: str) -> bool:
    """Whether it is an ASCII letter or digit, or of these Unicode kinds in any other script."""
    if character.isascii():
        return character.isalnum()
    return unicodedata.category(character)[0] in kinds


def find(folder: Path) -> list[Path]:
    """The submissions in a folder, by name; one line on stderr lists what is skipped."""
    found: dict[str, Path] = {}
    passed_over = []
    entries = (path for path in folder.glob("*") if path.suffix in SUFFIXES)
    for path in sorted(entries, key=lambda path: (path.stem, SUFFIXES.index(path.suffix))):
        other = found.get(row_name(path))
        if path.name.startswith(".") or path.name == "__init__.py":
            passed_over.append(f"{path.name} (hidden)")
        elif path.is_symlink():
            passed_over.append(f"{path.name} (a link; copy the file itself)")
        elif not path.is_file():
            passed_over.append(f"{path.name} (not a file)")
        elif other is not None:
            passed_over.append(f"{path.name} (would share its row with {other.name})")
        else:
            found[row_name(path)] = path
    _tell(folder, passed_over)
    return list(found.values())


def teams(inbox: Path) -> dict[str, Path]:
    """The folders of an inbox by their teams; one line on stderr lists what is skipped."""
    found: dict[str, Path] = {}
    passed_over = []
    for path in sorted(inbox.iterdir()):
        name = _shown(path.name)
        if path.name.startswith("."):
            passed_over.append(f"{path.name} (hidden)")
        elif path.is_symlink() or not path.is_dir():
            passed_over.append(f"{path.name} (not a folder)")
        elif not is_name(name) or len(name) > LONGEST_TEAM:
            passed_over.append(f"{path.name} (no name for a team)")
        elif name in found:
            passed_over.append(f"{path.name} (would share its team with {found[name].name})")
        else:
            found[name] = path
    _tell(inbox, passed_over)
    return found


def _tell(folder: Path, passed_over: Sequence[str]) -> None:
    if passed_over:
        more = len(passed_over) - _LISTED
        listed = ", ".join(passed_over[:_LISTED]) + (f" and {more} more" if more > 0 else "")
        line = clean(f"skipped in {folder}/: {listed}".replace("\n", "\\n"))
        print(shorten(line, 1 << 12), file=sys.stderr)
