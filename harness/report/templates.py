"""What all pages share: their templates, and what is printed in them made safe."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from harness.text import clean

HERE = Path(__file__).parent


def environment(*folders: Path) -> jinja2.Environment:
    """Templates of these folders, and ours; every value is escaped and none may be missing."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*folders, HERE]),
        autoescape=True,
        finalize=_printable,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    script = (HERE / "page.js").read_text(encoding="utf-8")
    digest = hashlib.sha256(script.encode()).digest()
    templates.globals |= {
        "style": Markup((HERE / "page.css").read_text(encoding="utf-8")),
        "script": Markup(script),
        "script_hash": base64.b64encode(digest).decode(),
    }
    templates.filters["breakable"] = _breakable
    return templates


@cache
def version() -> str:
    """Changes with whatever draws the pages."""
    digest = hashlib.sha256()
    for path in sorted(path for path in HERE.iterdir() if path.is_file()):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _printable(value: object) -> object:
    """Text without what a terminal or a browser would obey; names and logs may hold anything."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return clean(value)


def _breakable(text: str) -> Markup:
    """A name that may be broken after underscores."""
    return Markup("_<wbr>").join(clean(text).split("_"))
