"""The version of the scoring code follows what it says, not how it is written."""

import ast

import pytest

from harness import scorer
from harness.scorer import _HERE, _PARTS, _files, _undocumented

SOURCE = '''"""A module."""

def score(x):
    """A score."""
    return 2 * x
'''


def said(source: str) -> str:
    return ast.dump(_undocumented(source))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("A score.", "The score."),
        ("return 2", "return 2 "),
        ("    return", "    # why\n    return"),
    ],
)
def test_words_and_layout_do_not_count(old, new):
    assert said(SOURCE.replace(old, new)) == said(SOURCE)


@pytest.mark.parametrize(("old", "new"), [("2 * x", "3 * x"), ("return", 'y = "A score."; return')])
def test_formulas_do(old, new):
    assert said(SOURCE.replace(old, new)) != said(SOURCE)


def test_every_part_is_there_and_counts(tmp_path, monkeypatch):
    paths = [path for part in _PARTS for path in _files(_HERE / part)]
    assert {"estimation.py", "metrics.py", "diagnostics.py", "rows.py"} <= {p.name for p in paths}
    for path in paths:
        copy = tmp_path / path.relative_to(_HERE)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    monkeypatch.setattr(scorer, "_HERE", tmp_path)
    same = scorer.version.__wrapped__()
    assert same == scorer.version()
    for path in paths:
        copy = tmp_path / path.relative_to(_HERE)
        copy.write_text(path.read_text() + "\nADDED = 1\n")
        changed = scorer.version.__wrapped__()
        assert changed != same, path
        same = changed
