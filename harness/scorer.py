"""Which version of the code makes rows of outputs: a checksum of what it says.

Each checksum is of what makes one kind of thing old. The reference's fingerprint (data, splits,
recipe, metric version) names the models in the cache and the runs of submissions. A row's
`reference` (that fingerprint, the attackers and delta) says which rows may be compared, the shipped
ones among them. Both must outlive a change of the code that leaves scores as they are, and so know
nothing of the code; `METRIC_VERSION` is raised by hand for a change that does not. This one only
says which stored rows are computed again from their outputs, which costs seconds and no run.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path

_HERE = Path(__file__).parent
_PARTS = ("epsilon", "diagnostics.py", "metrics.py", "pool.py", "rows.py", "scoring.py")


@cache
def version() -> str:
    """The checksum, the same whatever comments, docstrings and layout the code has."""
    paths = [path for part in _PARTS for path in _files(_HERE / part)]
    said = [ast.dump(_undocumented(path.read_text(encoding="utf-8"))) for path in paths]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()[:12]


def _files(path: Path) -> list[Path]:
    return sorted(path.glob("*.py")) if path.is_dir() else [path]


def _undocumented(source: str) -> ast.Module:
    """What a source says, without the strings that stand for themselves."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [own for own in node.body if not _is_text(own)]
    return tree


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
