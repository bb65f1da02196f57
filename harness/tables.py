"""TOML tables into dataclasses, with types checked and unknown keys refused by name."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from typing import Any, TypeVar, get_type_hints

_T = TypeVar("_T")
# What TOML may hold for an annotation; exact types, since a bool is an int to `isinstance`.
_TYPES: dict[str, tuple[type, ...]] = {
    "bool": (bool,),
    "str": (str,),
    "int": (int,),
    "int | None": (int,),
    "int | float": (int, float),
    "float": (int, float),
    "float | None": (int, float),
    "dict[str, Any]": (dict,),
    "tuple[str, ...]": (list,),
    "tuple[int, ...] | str": (list, str),
}


def parse(cls: type[_T], table: Any, where: str = "") -> _T:
    """The dataclass `cls` from a TOML table; nested dataclasses from the tables in it.

    Raises
    ------
    ValueError
        If a key is unknown or missing, or a value has another type than its annotation.
    """
    if not isinstance(table, dict):
        raise ValueError(f"[{where}] has to be a table")
    types = {f.name: str(f.type) for f in fields(cls)}  # type: ignore[arg-type]
    if unknown := sorted(set(table) - set(types)):
        near = "".join(f" did you mean {n}?" for n in get_close_matches(unknown[0], types, 1))
        raise ValueError(
            f"unknown key {_key(where, unknown[0])};{near} known here: {', '.join(types)}"
        )
    classes = get_type_hints(cls)
    values: dict[str, Any] = {}
    for name, value in table.items():
        if is_dataclass(classes[name]):
            values[name] = parse(classes[name], value, _key(where, name))
        elif type(value) not in _TYPES[types[name]]:
            raise ValueError(f"{_key(where, name)} = {value!r} should be {types[name]}")
        else:
            values[name] = tuple(value) if isinstance(value, list) else value
    try:
        return cls(**values)
    except TypeError as error:
        raise ValueError(f"[{where or 'top level'}]: {error}".replace("__init__() ", "")) from None


def _key(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
