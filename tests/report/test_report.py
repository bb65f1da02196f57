"""The page: one sound tree of all the results, from no other place, whatever submissions say."""

import base64
import hashlib
import json
import os
import re
import shutil
from urllib.parse import quote

import pandas as pd
import pytest

from harness.__main__ import main
from harness.report import is_current
from harness.report.sections import NO_EXAMPLES, NO_OUTPUTS, NO_REFERENCE, NO_RETAIN
from harness.store import Store
from tests.report.conftest import ODD, SUBMISSIONS, Page, report

PER_SUBMISSION = 5_000_000 / 20  # bytes


@pytest.fixture
def workspace(evaluated, tmp_path, monkeypatch):
    """A copy of the evaluated competition, to take from."""
    shutil.copytree(evaluated, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def redrawn(workspace) -> Page:
    assert main(["report", "--competition", "small.toml"]) == 0
    return Page(report(workspace).read_text(encoding="utf-8"))


def notes(page: Page) -> list[str]:
    return [element["text"] for element in page.all("p") if element.get("class") == "note"]


def test_every_address_in_the_page_is_there_once(page):
    ids = [element["id"] for element in page.elements if "id" in element]
    assert len(set(ids)) == len(ids)
    values = " ".join(value for element in page.elements for value in element.values())
    targets = {
        element[name].removeprefix("#")
        for element in page.elements
        for name in ("href", "xlink:href")
        if element.get(name, "").startswith("#")
    } | set(re.findall(r"url\(#([^)]*)\)", values))
    assert len(targets) > 50
    assert targets <= set(ids)


def test_nothing_is_loaded_from_elsewhere(page):
    loads = [
        element[name]
        for element in page.elements
        for name in ("src", "href", "xlink:href", "srcset", "data", "action")
        if name in element
    ]
    assert loads
    assert {load[:5] for load in loads if not load.startswith("#")} == {"data:"}
    assert not re.findall(r"https?:|@import|url\((?!#)", page.source)


LINES = ("(retraining)", "head_noise", "(floor)")


def test_one_script_runs_and_the_page_forbids_any_other(page):
    (script,) = page.all("script")
    digest = base64.b64encode(hashlib.sha256(script["text"].encode()).digest()).decode()
    (policy,) = [e["content"] for e in page.all("meta") if "http-equiv" in e]
    assert policy.startswith("default-src 'none';")
    assert f"script-src 'sha256-{digest}'" in policy
    assert not [name for element in page.elements for name in element if name.startswith("on")]


def test_every_row_has_its_line_and_its_section(page, evaluated):
    board = pd.read_csv(evaluated / "results/small/leaderboard.csv")
    assert set(board["submission"]) == {*SUBMISSIONS, *LINES}
    links = [e["href"] for e in page.all("a") if e["href"].startswith("#")]
    lines = [e["id"] for e in page.all("tr") if "id" in e]
    sections = [e["id"] for e in page.all("details")]
    expected = [f"{quote(name, safe='')}-16" for name in board["submission"]]
    assert lines == [f"row:{name}" for name in expected]
    expected = [name for name in expected if not name.startswith("%28")]  # bounds have no files
    assert sections == expected
    assert {f"#{name}" for name in expected} <= set(links)
    for score in board["score"].dropna():
        assert f"{score:.4f}" in [element["text"] for element in page.all("td")]
    assert "crashed" in [element["text"] for element in page.all("span")]


def test_a_section_shows_what_the_runs_gave(page):
    titles = [element["text"] for element in page.all("h4")]
    for title in (
        "Confidence, forget set",
        "Logit of the label, forget set",
        "Confidence, 64 of the retain set",
        "Logit of the label, 64 of the retain set",
        "What each attacker finds",
        "One point per model",
        "Epsilon of each forget example",
        "Best attacker",
        "The examples that give it away",
        "The end of its log",
    ):
        assert titles.count(title) >= 2
    assert len(page.all("img")) == 3 * 6
    assert notes(page) == []
    flags = {element["text"] for element in page.all("dt")}
    assert "identical runs" in flags
    assert any("as a fixed seed does" in element["text"] for element in page.all("dd"))


def test_what_a_submission_says_is_text(page):
    assert not page.all("i")
    assert len(page.all("script")) == 1
    assert ODD in [element["text"] for element in page.all("bdi")]
    logs = [element["text"] for element in page.all("pre")]
    assert sum("<script>alert('mine')</script>" in log for log in logs) >= 3
    assert not re.findall("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", page.source)


def test_those_who_cannot_see_it_are_told(page):
    (root,) = page.all("html")
    assert root["lang"] == "en"
    plots = page.all("svg")
    assert len({plot["aria-label"] for plot in plots}) == len(plots)
    assert {plot["role"] for plot in plots} == {"img"}
    assert all(picture["alt"] for picture in page.all("img"))
    assert all("scope" in head for head in page.all("th"))


def test_it_is_small(page):
    assert len(page.source.encode()) < len(SUBMISSIONS) * PER_SUBMISSION


def test_the_same_results_make_the_same_page(workspace):
    before = report(workspace).read_bytes()
    redrawn(workspace)
    assert report(workspace).read_bytes() == before


def test_without_the_reference_it_says_so_and_trains_none(workspace):
    shutil.rmtree(workspace / "reference")
    page = redrawn(workspace)
    assert notes(page) == [NO_REFERENCE]
    assert not (workspace / "reference").exists()
    assert "Epsilon of each forget example" in page.source
    assert not page.all("img")


@pytest.mark.parametrize("damage", ["gone", "cut short"])
def test_without_all_outputs_a_section_says_so(workspace, damage):
    (outputs,) = (workspace / "results/small/submissions/plain").rglob("outputs-*.safetensors")
    if damage == "gone":
        outputs.unlink()
    else:
        outputs.write_bytes(outputs.read_bytes()[:-1])
    assert notes(redrawn(workspace)) == [NO_OUTPUTS.format(runs=16)]


def test_outputs_of_an_older_version_are_drawn_as_far_as_they_go(workspace):
    (kept,) = (workspace / "results/small/submissions/plain").glob("runs-*")
    stored, name = Store(kept), "outputs-0000-0016"
    outputs, facts = stored.get(name), stored.facts(name)
    del outputs["retain_logits"]
    stored.put(name, outputs, **facts)
    page = redrawn(workspace)
    assert notes(page) == [NO_RETAIN.format(folder="results/small/submissions/plain")]
    titles = [element["text"] for element in page.all("h4")]
    assert titles.count("Confidence, forget set") == 1 + titles.count(
        "Confidence, 64 of the retain set"
    )


def test_examples_of_another_evaluation_are_not_taken_for_its_own(workspace):
    path = workspace / "results/small/submissions/plain/metrics.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"score": 0.123}))
    assert notes(redrawn(workspace)) == [NO_EXAMPLES.format(runs=16)]


def test_a_page_is_old_if_the_board_says_something_else_whatever_the_clock_says(workspace):
    results = workspace / "results/small"
    page, board = report(workspace), results / "leaderboard.csv"
    tomorrow = page.stat().st_mtime + 86400
    assert is_current(results)
    os.utime(board, (tomorrow, tomorrow))
    assert is_current(results)
    text = board.read_text()
    board.write_text(text.replace("plain", "another"))
    os.utime(page, (2 * tomorrow, 2 * tomorrow))
    assert not is_current(results)
    board.write_text(text)
    assert is_current(results)


def test_a_page_that_cannot_be_written_costs_no_result(workspace, capsys):
    report(workspace).unlink()
    report(workspace).mkdir()
    (workspace / "results/small/leaderboard.csv").unlink()
    assert main(["evaluate", "--competition", "small.toml", "--runs", "16"]) == 0
    assert "warning: there is no new report: cannot store" in capsys.readouterr().err
    board = pd.read_csv(workspace / "results/small/leaderboard.csv")
    assert len(board) == len(SUBMISSIONS) + len(LINES)


def test_before_anything_was_evaluated_it_is_a_mistake_of_one_line(workspace, capsys):
    shutil.rmtree(workspace / "results")
    assert main(["report", "--competition", "small.toml"]) == 2
    out, err = capsys.readouterr()
    assert "evaluate something first" in err
    assert (out, err.count("\n")) == ("", 1)
