"""The code cells of a notebook as Python, without what only Jupyter understands."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence

# Jupyter's own lines, `pip install` without a sign among them. Not `% count` and `!= count`, with
# which a line of Python may continue.
_REST = r"(?:.*\\\n)*.*"  # the rest of a line, with the lines that a backslash joins to it
_MAGIC = re.compile(r"(?m)^([ \t]*+)(?:%%?[A-Za-z]|!(?!=)|\?|(?:pip|conda) +[a-z])" + _REST)
_HELP = re.compile(r"(?m)^([ \t]*+)[\w.]++\?\??[ \t]*$")
_TARGET = r"\w[\w., ]*+=[ \t]*"  # possessive, as a line may be long
_TIMED = re.compile(rf"(?m)^([ \t]*+(?:{_TARGET})?)%time +(?=\S)")
_ASKED = re.compile(rf"(?m)^([ \t]*+{_TARGET})([!%]{_REST})")


CELL = "# cell {} of the notebook"
_MARKED = re.compile(CELL.format(r"(\d+)"))
LARGEST = 1 << 20  # bytes of all code cells together; their outputs do not count


class Unclear(ValueError):
    """It is unclear which part is the submission; the message says how to mark it."""


def code_cells(content: bytes) -> Iterator[tuple[int, str]]:
    """Number and Python text of each code cell, without Jupyter's magics."""
    try:
        notebook = json.loads(content)
        cells = [
            (i, "".join(cell["source"]))
            for i, cell in enumerate(notebook["cells"], start=1)
            if cell["cell_type"] == "code"
        ]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unclear(
            f"it is not a Jupyter notebook of format 4 ({type(error).__name__}: {error})."
        ) from None
    if (size := sum(len(text.encode(errors="replace")) for _, text in cells)) > LARGEST:
        raise Unclear(f"it has {size:,} bytes of code; at most {LARGEST:,} are taken.")
    for i, text in cells:
        if text.startswith("%%") and not text.startswith(("%%time", "%%capture")):
            continue  # another language
        yield i, _without_magics(text)


def _without_magics(text: str) -> str:
    """The text as Python. `pass` replaces Jupyter's lines; one may be all that an `if` holds.

    Timed statements stay; an assigned shell command becomes a call that IPython would answer.
    """

    def replaced(match: re.Match[str], text: str) -> str:
        return match[1] + text + "\n" * match[0].count("\n")  # so that lines keep their numbers

    timed = _TIMED.sub(r"\1", "\n".join(lines_of(text)))
    plain = _MAGIC.sub(lambda m: replaced(m, "pass"), timed)
    asked = _HELP.sub(lambda m: replaced(m, "pass"), plain)
    asked = _ASKED.sub(lambda m: replaced(m, f"get_ipython().run_cell({m[2]!r})"), asked)
    # Change as little as makes it Python: a line in a string may look like Jupyter's, too.
    return next((attempt for attempt in (text, plain) if _parses(attempt)), asked)


def _parses(text: str) -> bool:
    try:
        ast.parse(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return False
    return True


def place(lines: Sequence[str], line: int) -> str:
    """What to call a line of a submission: of a notebook's, by its cell and its line there."""
    for above in range(min(line, len(lines)) - 1, -1, -1):
        if cell := _MARKED.fullmatch(lines[above].rstrip()):
            return f"cell {cell[1]}, line {line - above - 1}"
    return f"line {line}"


def lines_of(text: str) -> list[str]:
    """The lines as Python counts them; `splitlines` counts others."""
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
