"""Where a competition's TOML lies, and what it says over the one that it extends."""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any

PACKAGED = Path(__file__).parent.parent / "reference"


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


def read(path: Path) -> dict[str, Any]:
    """What the file says, over what the competition says which it `extends`."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        nearest = _nearest(path.name, [other.name for other in path.parent.glob("*.toml")])
        raise CompetitionError(f"{path}: no such file;{nearest}".rstrip(";")) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CompetitionError(f"{path} is not TOML: {error}") from None
    if "extends" not in content:
        return content
    base = find(str(content.pop("extends")))
    if base.exists() and base.samefile(path):
        raise CompetitionError(f"{path} extends itself")
    return _over(read(base), content)


def _nearest(name: str, known: list[str]) -> str:
    return "".join(f" did you mean {near!r}?" for near in get_close_matches(name, known, 1))


def _over(base: dict[str, Any], content: dict[str, Any]) -> dict[str, Any]:
    """`content` where it says something, `base` elsewhere; tables are merged, values replaced."""
    merged = base | content
    for key in base.keys() & content.keys():
        if isinstance(base[key], dict) and isinstance(content[key], dict):
            merged[key] = _over(base[key], content[key])
    return merged
