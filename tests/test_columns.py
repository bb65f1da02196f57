"""What a row consists of is said once: tables, files and documents say the same."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from harness import diagnostics
from harness.columns import COLUMNS, CSV, DETAILS, PAGE, TERMINAL, Column, Row, shown

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs/columns.md"
README = (ROOT / "README.md").read_text()
TABLES = {TERMINAL: "terminal", PAGE: "report", DETAILS: "report"}


def document() -> str:
    """The page that lists everything; `python -m tests.test_columns` writes it."""
    further = [column for column in COLUMNS.values() if CSV not in column.shown]
    flags = (f"| `{name}` | {rule.caption} |\n" for name, rule in diagnostics.FLAGS.items())
    return (
        "# Columns, figures and flags\n\n"
        "Accuracies and times are means over the runs. A row has no value where a figure is "
        "unknown.\n\n"
        f"## The columns of `leaderboard.csv`\n\n{_table(shown(CSV))}\n"
        "## Further figures in `metrics-512.json`\n\n"
        f"It also has every figure above.\n\n{_table(further)}\n"
        "## Flags\n\nThe log of a submission gives the figures behind each of its flags.\n\n"
        f"| flag | what it means |\n|---|---|\n{''.join(flags)}"
    )


def _table(columns: list[Column]) -> str:
    lines = "| name | in tables | what it means |\n|---|---|---|\n"
    for column in columns:
        places = sorted({TABLES[place] for place in column.shown if place in TABLES}, reverse=True)
        title = f"{column.title} ({', '.join(places)})" if places else ""
        lines += f"| `{column.key}` | {title} | {column.caption} |\n"
    return lines


def test_the_document_lists_them():
    message = "docs/columns.md is old: python -m tests.test_columns writes it"
    assert DOCUMENT.read_text() == document(), message


def test_every_caption_is_a_sentence():
    captions = [column.caption for column in COLUMNS.values()]
    captions += [rule.caption for rule in diagnostics.FLAGS.values()]
    assert all(caption.endswith(".") and caption.strip() == caption for caption in captions)
    assert len(set(captions)) == len(captions)
    titles = [column.title for column in COLUMNS.values()]
    assert len(set(titles)) == len(titles)


def test_the_readme_explains_the_columns_of_its_tables():
    titles = [column.title for column in shown(TERMINAL)]
    meaning = README.partition("## What a row means")[2].partition("\n## ")[0]
    explained = re.findall(r"\*\*(.+?)\*\*", meaning)
    assert sorted(explained) == sorted(set(titles) - {"rank", "submission"})
    (head,) = re.findall(r"^\| rank \|.*\|$", meaning, re.MULTILINE)
    assert {cell.strip() for cell in head.strip("|").split("|")} <= {*titles, "what it does"}
    (head,) = re.findall(r"^ +rank +group .*$", README, re.MULTILINE)
    assert head.split() == " ".join(titles).split()


@pytest.mark.parametrize(
    ("key", "row", "text"),
    [
        ("rank", {"rank": 7}, "7"),
        ("score", {"score": 0.123456}, "0.1235"),
        ("score", {}, ""),
        ("score", {"score": None}, ""),
        ("score", {"score": 0.0}, "0.0000"),
        ("score_low", {"score_low": 0.1, "score_high": 0.25}, "0.1000-0.2500"),
        ("forget_accuracy", {"forget_accuracy": 0.98765}, "0.988"),
        ("retrain_fraction", {"retrain_fraction": 0.126}, "13%"),
        ("submission", {"submission": "mine"}, "mine"),
    ],
)
def test_a_value_is_written_as_people_read_it(key, row, text):
    assert COLUMNS[key].text(row) == text


def test_a_row_of_any_version_is_read():
    old = {"submission": "mine", "runs": 64, "status": "scored", "key": "k", "score": 0.5}
    row = Row.read(old | {"a_figure_that_is_no_more": 1.0})
    assert (row.reference, row.score, row.klom, row.over_limit) == ("k", 0.5, None, "mark")
    assert Row.read(row.known()) == row
    with pytest.raises(TypeError, match="runs"):
        Row.read({"submission": "mine", "status": "scored"})


def test_a_field_without_a_caption_is_no_figure():
    assert {f.name for f in fields(Row)} - COLUMNS.keys() == {
        "message",
        "explanations",
        "scorer",
        "over_limit",
        "at_floor",
        "draws",
    }


if __name__ == "__main__":
    DOCUMENT.write_text(document())
