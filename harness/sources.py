"""Finds a competition's TOML, and merges it with the one that it extends."""

from __future__ import annotations

import os
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent
# What ships with the harness: in its package if installed from a wheel, else beside it.
SHIPPED = _HERE / "shipped" if (_HERE / "shipped").is_dir() else _HERE.parent
PACKAGED = SHIPPED / "reference"
# The key of a table that decides which others it may have. If an extending file changes it, the
# base's other keys go, because they belong to the old choice.
_CHOOSERS = {"model": "architecture", "forget": "kind"}


class CompetitionError(ValueError):
    """The competition's file or data is wrong; the message says where and how to mend it."""


def find(name: str) -> Path:
    """The TOML of a competition: a path, or a name in `reference/` here or in the package."""
    if name.endswith(".toml"):
        return Path(name)
    places = [Path("reference"), PACKAGED]
    for place in places:
        if (path := place / f"{name}.toml").is_file():
            return path
    known = sorted({path.stem for place in places for path in place.glob("*.toml")})
    nearest = _nearest(name, [*known, *(path.name for path in Path().glob("*.toml"))])
    raise CompetitionError(f"no competition {name!r};{nearest} there are: {', '.join(known)}")


def read(path: Path, extending: tuple[Path, ...] = ()) -> dict[str, Any]:
    """The content of a file, merged over that of the competition which it `extends`.

    Parameters
    ----------
    path : Path
    extending : tuple of Path
        The files that led here: each extends the next, and the last extends this one.

    Raises
    ------
    CompetitionError
        If a file is missing, is not TOML, or extends itself, directly or through others.
    """
    chain = (*extending, path)
    if path.resolve() in [other.resolve() for other in extending]:
        raise CompetitionError(f"{' extends '.join(map(str, chain))}: remove one `extends`")
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (FileNotFoundError, IsADirectoryError):
        nearest = _nearest(path.name, [other.name for other in path.parent.glob("*.toml")])
        raise CompetitionError(f"{path}: no such file;{nearest}".rstrip(";")) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CompetitionError(f"{path} is not TOML: {error}") from None
    data = content.get("data")
    if isinstance(data, dict):
        data |= {key: _placed(value, path) for key, value in data.items()}
    if "extends" not in content:
        return content
    base = content.pop("extends")
    if not isinstance(base, str):
        raise CompetitionError(f"{path}: extends: expected a name or a path, got {base!r}")
    return _over(read(_extended(path, base), chain), content)


def files(path: Path) -> list[Path]:
    """A competition's file, in which `read` found no fault, and those that it extends."""
    base = tomllib.loads(path.read_text(encoding="utf-8-sig")).get("extends")
    return [path] if base is None else [path, *files(_extended(path, base))]


def _extended(path: Path, base: str) -> Path:
    """The file that the one at `path` extends: by name, or by a path relative to that file."""
    return path.parent / base if base.endswith(".toml") else find(base)


def _placed(value: Any, path: Path) -> Any:
    """A path that begins with a dot is relative to the file that it stands in."""
    if isinstance(value, str) and value.startswith(("./", "../")):
        return os.path.normpath(path.parent / value)
    return value


def _nearest(name: str, known: list[str]) -> str:
    return "".join(f" did you mean {near!r}?" for near in get_close_matches(name, known, 1))


def _over(base: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    """`content` over `base`: tables are merged, other values replaced."""
    if base.get("dataset") != content.get("dataset", base.get("dataset")):
        base = {key: value for key, value in base.items() if key != "data"}
    merged = base | content
    for key in base.keys() & content.keys():
        ours, theirs = content[key], base[key]
        if isinstance(ours, dict) and isinstance(theirs, dict):
            chooser = _CHOOSERS.get(key)
            chosen = chooser in ours and ours[chooser] != theirs.get(chooser)
            merged[key] = ours if chosen else _over(theirs, ours)
    return merged
