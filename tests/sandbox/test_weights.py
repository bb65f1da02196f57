"""Streams that claim to be weights: the well-formed are read, every other one is refused."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from harness.sandbox.host import weights
from harness.submission import Verdict

GOOD = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(7)}
A = {"dtype": "F32", "shape": [2, 3], "data_offsets": [8, 32]}
B = {"dtype": "I64", "shape": [], "data_offsets": [0, 8]}
DATA = bytes(32)


def stream(header: object, data: bytes = DATA, length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


@pytest.fixture
def wanted(tmp_path: Path) -> dict[str, weights.Entry]:
    (tmp_path / "good.safetensors").write_bytes(save(GOOD))
    return weights.expected(tmp_path / "good.safetensors")


def test_what_the_library_writes_is_read(wanted: dict[str, weights.Entry]) -> None:
    read = weights.parse(save(GOOD), wanted)
    assert read.keys() == GOOD.keys()
    for name, values in GOOD.items():
        assert np.array_equal(read[name], values)
        assert read[name].dtype == values.dtype
    assert read["a"].flags.writeable


def test_the_handwritten_header_is_well_formed(wanted: dict[str, weights.Entry]) -> None:
    assert weights.parse(stream({"a": A, "b": B}), wanted)["a"].shape == (2, 3)


MALFORMED = {
    "nothing": b"",
    "less than a length": b"\x08\0\0",
    "a header of 1 TiB": stream({"a": A, "b": B}, length=1 << 40),
    "a header of 2^64 - 1 bytes": stream({"a": A, "b": B}, length=(1 << 64) - 1),
    "a header longer than the stream": stream({"a": A, "b": B}, length=4000),
    "a header cut short": stream({"a": A, "b": B}, length=20),
    "not JSON": stream(b"tensors!"),
    "not UTF-8": stream(b'{"\xff\xfe": 1}'),
    "nested without end": stream(b"[" * 100_000),
    "a number without end": stream(b'{"a": ' + b"9" * 100_000 + b"}"),
    "a list": stream([A, B]),
    "a tensor that is no table": stream({"a": 3, "b": B}),
    "a tensor twice": stream(b'{"a": %s, "a": %s, "b": %s}' % ((json.dumps(A).encode(),) * 3)),
    "a key twice": stream(
        json.dumps({"a": A, "b": B}).replace('"I64"', '"I64", "dtype": "I64"').encode()
    ),
    "a field missing": stream({"a": A, "b": {"dtype": "I64", "shape": []}}),
    "a field too many": stream({"a": A, "b": B | {"code": "evil"}}),
    "metadata": stream({"a": A, "b": B, "__metadata__": {"format": "pt"}}),
    "overlapping tensors": stream({"a": A | {"data_offsets": [0, 24]}, "b": B}),
    "a gap between tensors": stream({"a": A | {"data_offsets": [16, 40]}, "b": B}, bytes(40)),
    "offsets turned round": stream({"a": A | {"data_offsets": [32, 8]}, "b": B}),
    "negative offsets": stream({"a": A | {"data_offsets": [-24, 0]}, "b": B}),
    "offsets beyond the data": stream({"a": A, "b": B}, bytes(20)),
    "three offsets": stream({"a": A | {"data_offsets": [8, 32, 40]}, "b": B}),
    "fractional offsets": stream({"a": A | {"data_offsets": [8.0, 32.0]}, "b": B}),
    "a shape that the bytes do not fill": stream({"a": A | {"shape": [2, 30]}, "b": B}),
    "a shape whose product overflows": stream({"a": A | {"shape": [1 << 62, 1 << 62]}, "b": B}),
    "a negative shape": stream({"a": A | {"shape": [-2, -3]}, "b": B}),
    "a shape of booleans": stream({"a": A | {"shape": [True, 6]}, "b": B}),
    "a type that is no name": stream({"a": A | {"dtype": ["F32"]}, "b": B}),
    "trailing bytes": stream({"a": A, "b": B}, DATA + b"more"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_stream_is_refused(case: str, wanted: dict[str, weights.Entry]) -> None:
    with pytest.raises(weights.Malformed):
        weights.parse(MALFORMED[case], wanted)


UNWANTED = {
    "a name missing": ({"b": B}, "'a' missing"),
    "a name too many": (
        {"a": A, "b": B, "c": B | {"data_offsets": [32, 40]}},
        "'c' not known",
    ),
    "no names": ({}, "'b', 'a' missing"),
    "another shape": ({"a": A | {"shape": [3, 2]}, "b": B}, "a is (3, 2), not (2, 3)"),
    "another type": ({"a": A | {"dtype": "I32"}, "b": B}, "a is I32, not F32"),
    "an unknown type": ({"a": A | {"dtype": "F8_E4M3"}, "b": B}, "a is F8_E4M3, not F32"),
}


@pytest.mark.parametrize("case", UNWANTED)
def test_other_weights_are_refused_by_name(case: str, wanted: dict[str, weights.Entry]) -> None:
    header, phrase = UNWANTED[case]
    with pytest.raises(Verdict) as caught:
        weights.parse(stream(header), wanted)
    assert caught.value.status == "invalid_weights"
    assert phrase in caught.value.message


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_refused(
    value: float, wanted: dict[str, weights.Entry]
) -> None:
    bad = GOOD | {"a": np.full((2, 3), value, np.float32)}
    with pytest.raises(Verdict, match="NaN or infinite values in 'a'"):
        weights.parse(save(bad), wanted)
