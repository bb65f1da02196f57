"""Turns TOML tables into dataclasses or arguments, and refuses by name what does not fit."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from typing import Any, TypeVar, get_type_hints

import msgspec

_T = TypeVar("_T")
_WORDS = {"`": "", "object": "a table", "array": "list"}  # from the library's words to TOML's


def parse(cls: type[_T], table: Any, where: str = "") -> _T:
    """The dataclass `cls` from a TOML table; nested dataclasses from the tables in it.

    Raises
    ------
    ValueError
        If a key is unknown or missing, or a value has another type than its annotation.
    """
    _check_keys(cls, table, where)
    return _convert(cls, table, where)


def bind(function: Callable[..., Any], table: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The arguments of a function from a TOML table, as its annotations require.

    Raises
    ------
    ValueError
        As `parse`.
    """
    hints = get_type_hints(function, include_extras=True)
    parameters = inspect.signature(function).parameters.values()
    known = [
        (p.name, hints.get(p.name, Any), *([] if p.default is p.empty else [p.default]))
        for p in parameters
    ]
    _refuse_unknown(table, [p.name for p in parameters], where)
    arguments = _convert(msgspec.defstruct("Arguments", known, kw_only=True), table, where)
    return msgspec.structs.asdict(arguments)


def stated(settings: Any) -> dict[str, Any]:
    """What of a dataclass differs from its default, tables in it too."""
    return {
        f.name: stated(value) if is_dataclass(value) else value
        for f in fields(settings)
        if (value := getattr(settings, f.name)) != f.default
    }


def fingerprint(settings: Any, without: Collection[str], *made_from: str) -> str:
    """A short name for what follows from settings and the rest.

    A new setting keeps old names valid, because only what is `stated` counts.
    """
    content = {name: value for name, value in stated(settings).items() if name not in without}
    text = json.dumps([content, *made_from], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _check_keys(cls: type, table: Any, where: str) -> None:
    """Refuse keys that a dataclass does not have, which msgspec would ignore."""
    if not isinstance(table, dict):
        return  # the conversion refuses it
    hints = get_type_hints(cls)
    _refuse_unknown(table, [f.name for f in fields(cls)], where)
    for name, value in table.items():
        if is_dataclass(hints[name]):
            _check_keys(hints[name], value, _key(where, name))


def _refuse_unknown(table: Mapping[str, Any], known: Collection[str], where: str) -> None:
    for name in sorted(table.keys() - set(known)):
        near = "".join(f" did you mean {other}?" for other in get_close_matches(name, known, 1))
        raise ValueError(f"unknown key {_key(where, name)};{near} known here: {', '.join(known)}")


def _convert(cls: type[_T], table: Any, where: str) -> _T:
    try:
        return msgspec.convert(table, cls, dec_hook=lambda kind, value: kind(value))
    except msgspec.ValidationError as error:
        problem, _, path = str(error).partition(" - at ")
        for theirs, ours in _WORDS.items():
            problem = problem.replace(theirs, ours)
        key = _key(where, path.strip("`").removeprefix("$").removeprefix("."))
        if missing := re.fullmatch("Object missing required field (.*)", problem):
            raise ValueError(f"{_key(key, missing[1])} is missing") from None
        raise ValueError(f"{key}: {problem[0].lower()}{problem[1:]}") from None


def _key(where: str, name: str) -> str:
    return ".".join(filter(None, (where, name)))
