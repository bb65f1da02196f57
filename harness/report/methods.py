"""Reads what a submission's docstring says about its method: name, author and paper."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from dataclasses import dataclass

_LONGEST = 8000  # characters of a docstring that are shown
_BLANK = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENCODING)
_SOURCE = re.compile(r"\(([^()]*\b(?:19|20)\d\d[a-z]?)\)")
_FIELD = re.compile(r"^(authors?|paper)\s*:\s*(\S.*)$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Method:
    """What a file says about itself; empty where it does not say.

    Attributes
    ----------
    title : str
        The first line of its docstring, without what is named below.
    author, paper : str
        Lines `Author:` and `Paper:`, else what stands in brackets with a year in the first line.
    text : str
        The docstring's other lines.
    """

    title: str = ""
    author: str = ""
    paper: str = ""
    text: str = ""


def describe(source: bytes) -> Method:
    """The method of a file, which is not executed and not parsed beyond its docstring."""
    first, _, rest = _docstring(source).strip().partition("\n")
    told = {name.lower().rstrip("s"): value.strip() for name, value in _FIELD.findall(rest)}
    if "paper" not in told and (named := _SOURCE.search(first)):
        told["paper"] = named[1].strip()
        first = first[: named.start()].rstrip() + first[named.end() :]
    return Method(first.strip().removesuffix("."), text=_FIELD.sub("", rest).strip(), **told)


def _docstring(source: bytes) -> str:
    """The string that a module begins with, cleaned as Python cleans it; else nothing."""
    try:
        tokens = tokenize.tokenize(io.BytesIO(source).readline)
        first = next(token for token in tokens if token.type not in _BLANK)
        if first.type != tokenize.STRING:
            return ""
        text = ast.literal_eval(first.string)  # of one string, which cannot be nested
    except (StopIteration, SyntaxError, ValueError, tokenize.TokenError):
        return ""
    return _cleaned(text[:_LONGEST]) if isinstance(text, str) else ""


def _cleaned(text: str) -> str:
    first, *rest = text.expandtabs().splitlines() or [""]
    least = min((len(line) - len(line.lstrip()) for line in rest if line.strip()), default=0)
    return "\n".join([first.strip(), *(line[least:].rstrip() for line in rest)])
