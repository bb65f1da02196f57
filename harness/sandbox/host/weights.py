"""Reading the weights or scores that a run sends back: safetensors, checked as hostile input."""

from __future__ import annotations

import json
import math
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.sandbox.walls.policy import HEADER_BYTES
from harness.submission import Verdict

_DTYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U8": np.uint8,
    "BOOL": np.bool_,
}
_MANY = 5  # names that a message lists
_REMEDIES = {
    "^n_averaged$": "It is an AveragedModel: return the model inside, its `.module`.",
    r"^module\.": "It is wrapped, as by DataParallel: return the model inside, its `.module`.",
    r"^_orig_mod\.": "It is wrapped by torch.compile: return `net` itself, which has the weights.",
    r"(^|\.)parametrizations\.": "A parametrization is left on: call "
    'torch.nn.utils.parametrize.remove_parametrizations(module, "weight") before returning.',
    "_mask$": "torch.nn.utils.prune has renamed them: call prune.remove(module, name) on each "
    "pruned parameter before returning.",
    "_u$": "A spectral norm is left on: call torch.nn.utils.remove_spectral_norm(module) before "
    "returning.",
    "_g$": "A weight norm is left on: call torch.nn.utils.remove_weight_norm(module) before "
    "returning.",
}


class Malformed(Exception):
    """Not a stream that the harness's own code would have written."""


@dataclass(frozen=True)
class Entry:
    """A tensor in a header."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


def expected(path: Path) -> dict[str, Entry]:
    """Names, dtypes and shapes that a result must have: those of the original model's file."""
    with path.open("rb") as file:
        data = file.read(8)
        data += file.read(struct.unpack("<Q", data)[0])
    header = {k: v for k, v in json.loads(data[8:]).items() if k != "__metadata__"}
    if foreign := {entry["dtype"] for entry in header.values()} - set(_DTYPES):
        raise ValueError(f"{path}: weights of type {', '.join(foreign)} are not supported")
    return {
        name: Entry(entry["dtype"], tuple(entry["shape"]), *entry["data_offsets"])
        for name, entry in header.items()
    }


def largest(wanted: dict[str, Entry]) -> int:
    """Bytes of the longest stream that is worth reading."""
    return 8 + HEADER_BYTES + max(entry.end for entry in wanted.values())


def parse(stream: bytes | memoryview, wanted: dict[str, Entry]) -> dict[str, np.ndarray]:
    """The weights in a stream.

    Raises
    ------
    Malformed
        If the stream is not well-formed, canonical safetensors.
    Verdict
        `invalid_weights`, if it is, but holds something else than was wanted.
    """
    header, start = _header(stream)
    _compare(header, wanted)
    weights = _values(stream, header, start)
    _check_finite(weights)
    return weights


def parse_scores(stream: bytes | memoryview, count: int) -> np.ndarray:
    """The scores [count] in a stream, float64.

    Raises
    ------
    Malformed
        If the stream is not what the harness's own code would have written.
    Verdict
        `invalid_scores`, if it is, but does not rank `count` examples.
    """
    header, start = _header(stream)
    if list(header) != ["scores"] or header["scores"].dtype != "F64":
        raise Malformed("something else than scores")
    scores = _values(stream, header, start)["scores"]
    if scores.shape != (count,):
        raise _invalid_scores(
            f"scores of shape {list(scores.shape)}, not [{count}]; return one for each training "
            "example, in the order of `train.dataset`."
        )
    if bad := int((~np.isfinite(scores)).sum()):
        raise _invalid_scores(f"NaN or infinite values, {bad} of {count}.")
    if scores.min() == scores.max():
        raise _invalid_scores("all equal values, which rank nothing.")
    return scores


def _values(
    stream: bytes | memoryview, header: dict[str, Entry], start: int
) -> dict[str, np.ndarray]:
    size = max(entry.end for entry in header.values())
    if len(stream) != start + size:
        raise Malformed(f"{len(stream) - start} bytes of data instead of {size}")
    values = {}
    for name, entry in header.items():
        dtype = np.dtype(_DTYPES[entry.dtype])
        flat = np.frombuffer(stream, dtype, math.prod(entry.shape), start + entry.start)
        values[name] = flat.reshape(entry.shape).copy()
    return values


def _header(stream: bytes | memoryview) -> tuple[dict[str, Entry], int]:
    if len(stream) < 8:
        raise Malformed("no header")
    (length,) = struct.unpack_from("<Q", stream)
    if length > HEADER_BYTES or 8 + length > len(stream):
        raise Malformed(f"a header of {length} bytes")
    try:
        content = json.loads(bytes(stream[8 : 8 + length]), object_pairs_hook=_without_duplicates)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"the header is not JSON: {error}") from None
    if not isinstance(content, dict):
        raise Malformed("the header is not a table of tensors")
    header = {name: _entry(name, value) for name, value in content.items()}
    end = 0
    for entry in sorted(header.values(), key=lambda entry: (entry.start, entry.end)):
        if entry.start != end:
            raise Malformed("tensors overlap or leave gaps")
        end = entry.end
    return header, 8 + length


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    table = dict(pairs)
    if len(table) != len(pairs):
        raise Malformed("the header names something twice")
    return table


def _entry(name: str, value: Any) -> Entry:
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data_offsets"}:
        raise Malformed(f"{name!r} is not described as a tensor")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not isinstance(dtype, str) or not _naturals(shape) or not _naturals(offsets):
        raise Malformed(f"{name!r} is not described as a tensor")
    if len(offsets) != 2 or offsets[0] > offsets[1]:
        raise Malformed(f"{name!r} has offsets {offsets}")
    entry = Entry(dtype, tuple(shape), *offsets)
    if dtype in _DTYPES:
        size = math.prod(shape) * np.dtype(_DTYPES[dtype]).itemsize
        if size != entry.end - entry.start:
            raise Malformed(f"{name!r} has {entry.end - entry.start} bytes instead of {size}")
    return entry


def _naturals(values: Any) -> bool:
    return (
        isinstance(values, list)
        and len(values) <= 64
        and all(type(value) is int and 0 <= value < 1 << 63 for value in values)
    )


def _compare(header: dict[str, Entry], wanted: dict[str, Entry]) -> None:
    missing = [name for name in wanted if name not in header]
    extra = [name for name in header if name not in wanted]
    if missing or extra:
        parts = [f"{_names(missing)} missing"] * bool(missing)
        parts += [f"{_names(extra)} not known"] * bool(extra)
        remedy = _remedy(extra)
        if not remedy and len(missing) == len(wanted):
            remedy = " It is another model: return `net` itself, or one of the same architecture."
        raise _invalid(f"state_dict() has other names: {'; '.join(parts)}.{remedy}")
    for what in ("shape", "dtype"):
        wrong = {
            name: (getattr(header[name], what), getattr(entry, what))
            for name, entry in wanted.items()
            if getattr(header[name], what) != getattr(entry, what)
        }
        if wrong:
            shown = [f"{name} is {is_}, not {not_}" for name, (is_, not_) in wrong.items()]
            raise _invalid(f"state_dict() has another {what}: {_listed(shown)}.")


def _remedy(extra: list[str]) -> str:
    """How to undo what torch's own tools make of names; the first sign that is there tells them."""
    for sign, remedy in _REMEDIES.items():
        if any(re.search(sign, name) for name in extra):
            return f" {remedy}"
    return ""


def _check_finite(weights: dict[str, np.ndarray]) -> None:
    bad = [
        name
        for name, values in weights.items()
        if values.dtype.kind == "f" and not np.isfinite(values).all()
    ]
    if bad:
        raise _invalid(
            f"NaN or infinite values in {_names(bad)}. The training has diverged: try a lower "
            "learning rate, or clip the gradients."
        )


def _names(names: list[str]) -> str:
    return _listed([repr(name[:80]) for name in names])


def _listed(items: list[str]) -> str:
    more = f" and {len(items) - _MANY} more" if len(items) > _MANY else ""
    return ", ".join(items[:_MANY]) + more


def _invalid_scores(what: str) -> Verdict:
    return Verdict("invalid_scores", f"`identify` returned {what}")


def _invalid(message: str) -> Verdict:
    return Verdict("invalid_weights", message)
