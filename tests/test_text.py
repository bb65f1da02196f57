"""Strangers' text: nothing hides in it, nothing in it passes for ours, its length is bounded."""

import pytest

from harness.text import cell, clean, quoted, shorten


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc", "a\tb\nc"),
        ("a\r\nb\rc", "a\nb\nc"),
        ("\x1b[2J\x07\x9b", r"\x1b[2J\x07\x9b"),
        ("\u202eevil\u2066", r"\u202eevil\u2066"),
        ("\u2028\x85\x0b", r"\u2028\x85\x0b"),
        ("\u200b\ufeff\u3164\u115f\u2800\U000e0041", r"\u200b\ufeff\u3164\u115f\u2800\U000e0041"),
        ("\ud800", r"\ud800"),
        ("Zoë, हिंदी, 数, √x ≤ 😀", "Zoë, हिंदी, 数, √x ≤ 😀"),
        ("e\u0301\u0302\u0303\u0304\u0305", "e\u0301\u0302\u0303" + r"\u0304\u0305"),
    ],
)
def test_what_cannot_be_seen_is_shown_and_letters_are_left(text, shown):
    assert clean(text) == shown
    assert clean(shown) == shown


def test_of_a_long_text_beginning_and_end_are_left():
    text = "first " + "é" * 10_000 + " last"
    short = shorten(text, 1000)
    assert len(short.encode()) <= 1000
    assert short.startswith("first é")
    assert short.endswith("é last")
    assert "left out" in short
    assert shorten(short, 1000) == short
    assert shorten("é" * 500, 1000) == "é" * 500


def test_every_line_of_a_quotation_is_marked():
    assert quoted("a\n\nrun 3: 1 s\n") == "  | a\n  | \n  | run 3: 1 s\n"
    assert quoted(" \n") == ""


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_a_formula_is_no_formula(start):
    assert cell(f"{start}SUM(1)") == f"'{start}SUM(1)"


@pytest.mark.parametrize("value", ["plain", -1.5, None, ""])
def test_what_is_no_formula_is_left(value):
    assert cell(value) == value
