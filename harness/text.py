"""Makes what strangers wrote safe to show in a terminal, a log, a page or a table."""

from __future__ import annotations

import re
import unicodedata

# Python calls them printable, but they are invisible or merge with the letter before them.
_INVISIBLE = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2800\u3164\uffa0"
    + "".join(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))
)
_MARKS = 3  # on one letter, at most, in any script that we know of
_SUSPECT = re.compile(r"[^\n\t -~]+")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def clean(text: str) -> str:
    """The text with control, bidirectional and invisible characters as escapes like `\\x1b`."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _SUSPECT.sub(_shown, text)


def shorten(text: str, size: int) -> str:
    """At most `size` bytes of UTF-8; a longer text keeps its beginning and mostly its end."""
    content = text.encode(errors="backslashreplace")
    if len(content) <= size:
        return text
    note = f"\n[... {len(content) - size:,} bytes and more left out ...]\n"
    room = size - len(note)
    first, last = content[: room // 4], content[len(content) - (room - room // 4) :]
    return first.decode(errors="ignore") + note + last.decode(errors="ignore")


def quoted(text: str) -> str:
    """The text with a mark before each line, so that no line can pass for one of ours."""
    return "".join(f"  | {line}\n" for line in text.rstrip().split("\n")) if text.strip() else ""


def cell(value: object) -> object:
    """The value of a table's cell, with a `'` before what a spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _shown(match: re.Match[str]) -> str:
    shown, marks = "", 0
    for character in match[0]:
        marks = marks + 1 if unicodedata.category(character).startswith("M") else 0
        seen = character.isprintable() and character not in _INVISIBLE and marks <= _MARKS
        shown += character if seen else character.encode("unicode_escape").decode()
    return shown
