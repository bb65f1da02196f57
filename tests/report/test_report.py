"""The pages: each one sound tree, from no other place, whatever submissions say."""

import base64
import hashlib
import json
import os
import re
import shutil
from urllib.parse import quote, unquote

import pandas as pd
import pytest

from harness.__main__ import main
from harness.diagnostics import FLAGS
from harness.report import is_current
from harness.report.details import NO_EXAMPLES, NO_OUTPUTS, NO_REFERENCE, NO_RETAIN, log_end
from harness.store import Store
from tests.report.conftest import NOISY, ODD, SUBMISSIONS, Page, report, row_page

LARGEST = {"report.html": 100_000, "report": 300_000}  # bytes; of a page of 7 rows, and of a row's
LINES = ("(retraining)", "head_noise", "(floor)")


@pytest.fixture
def workspace(evaluated, tmp_path, monkeypatch):
    """A copy of the evaluated competition, to take from."""
    shutil.copytree(evaluated, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(params=["board", "row"])
def any_page(request, page, noisy) -> Page:
    return page if request.param == "board" else noisy


def redrawn(workspace, name: str) -> Page:
    """The page of a row, once the report was drawn again."""
    assert main(["report", "--competition", "small.toml"]) == 0
    return Page(row_page(workspace, name).read_text(encoding="utf-8"))


def notes(page: Page) -> list[str]:
    return [element["text"] for element in page.all("p") if element.get("class") == "note"]


def texts(page: Page, tag: str) -> list[str]:
    return [element["text"] for element in page.all(tag)]


def test_every_address_leads_somewhere(evaluated, page):
    ids = [element["id"] for element in page.elements if "id" in element]
    assert len(set(ids)) == len(ids)
    links = [element["href"] for element in page.all("a")]
    assert len(links) == 1 + len(SUBMISSIONS) + 1  # the table, the submissions, head_noise
    for link in links:
        target = report(evaluated).parent / unquote(link)
        assert target.is_file()
        if target.suffix == ".html":
            row = Page(target.read_text(encoding="utf-8"))
            back, *own = [element["href"] for element in row.all("a")]
            path, _, place = back.partition("#")
            assert path == "../report.html"
            assert unquote(place) in ids
            assert own == ["#source"] * any(e.get("id") == "source" for e in row.elements)


def test_nothing_is_loaded_from_elsewhere(any_page):
    loads = [
        element[name]
        for element in any_page.elements
        for name in ("src", "xlink:href", "srcset", "data", "action")
        if name in element
    ]
    assert loads
    assert {load[:5] for load in loads} == {"data:"}
    assert not re.findall(r"https?:|@import|url\(", any_page.source)


def test_one_script_runs_and_the_page_forbids_any_other(page, noisy):
    (script,) = page.all("script")
    digest = base64.b64encode(hashlib.sha256(script["text"].encode()).digest()).decode()
    policies = [
        element["content"]
        for each in (page, noisy)
        for element in each.all("meta")
        if "http-equiv" in element
    ]
    assert all(policy.startswith("default-src 'none';") for policy in policies)
    assert [f"script-src 'sha256-{digest}'" in policy for policy in policies] == [True, False]
    assert not noisy.all("script")
    for each in (page, noisy):
        assert not [name for element in each.elements for name in element if name.startswith("on")]


def test_every_row_has_its_line_and_what_was_retrained_is_the_target(page, evaluated):
    board = pd.read_csv(evaluated / "results/small/leaderboard.csv")
    assert set(board["submission"]) == {*SUBMISSIONS, *LINES}
    others = board[board["submission"] != "(retraining)"]
    assert [e["id"] for e in page.all("tr") if "id" in e] == [
        f"row:{quote(name, safe='')}-16" for name in others["submission"]
    ]
    cells = texts(page, "td")
    for score in others["score"].dropna():
        assert f"{score:.4f}" in cells
    targets = [e for e in page.all("th") if e["text"] in ("retrained models", "original model")]
    assert len(targets) == 2
    retrained = board.set_index("submission").loc["(retraining)"]
    for name in ("forget_accuracy", "test_accuracy"):
        assert f"{retrained[name]:.3f}" in cells
    assert "crashed" in texts(page, "span")


def test_the_head_says_what_the_competition_is(page):
    facts = dict(zip(texts(page, "dt"), texts(page, "dd"), strict=True))
    assert facts["data"].strip() == "digits, 10 classes, images of 1×8×8"
    assert facts["forget set"].strip() == (
        "6 images, 0.7% of what the original was trained on: "
        "a block of consecutive images, from number 1560 on"
    )
    assert facts["splits"].strip() == "850 retain, 6 forget, 300 validation, 641 test"
    assert facts["evaluation"].startswith("N = 16 runs")
    assert len(page.all("img")) == 6


def test_a_flag_says_what_it_means_where_it_stands(page):
    flags = [e["text"] for e in page.all("summary")]
    assert "identical runs" in flags
    assert any("as a fixed seed does" in text for text in texts(page, "p"))
    assert FLAGS["identical_runs"].caption in texts(page, "dd")


def test_a_row_shows_what_its_runs_gave(noisy):
    titles = [*texts(noisy, "h3"), *texts(noisy, "h2")]
    for title in (
        "Confidence in forget examples, raw",
        "Confidence in forget examples, calibrated",
        "Confidence in 64 retain examples",
        "One point per model",
        "Accuracy against retraining",
        "Epsilon of each forget example",
        "Best attacker",
        "Epsilons by attacker and view",
        "The examples that give it away",
        "The end of its log",
        "The file",
    ):
        assert titles.count(title) == 1
    assert len(noisy.all("img")) == 6
    assert notes(noisy) == []
    facts = dict(zip(texts(noisy, "dt"), texts(noisy, "dd"), strict=True))
    assert facts["paper"] == "nowhere, 2031"
    assert SUBMISSIONS[NOISY].split("import")[1] in "".join(texts(noisy, "pre"))


def test_what_a_submission_says_is_text(page, noisy, evaluated):
    broken = Page(row_page(evaluated, "broken").read_text(encoding="utf-8"))
    for each in (page, noisy, broken):
        assert not each.all("i")
        assert not re.findall("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069]", each.source)
    assert [len(each.all("script")) for each in (page, noisy, broken)] == [1, 0, 0]
    assert ODD.replace("_", "") in [text.replace("_", "") for text in texts(page, "bdi")]
    for each in (noisy, broken):
        logs = texts(each, "pre")
        assert sum("<script>alert('mine')</script>" in log for log in logs) >= 2
    assert any(text.startswith("Noise on the head: <b>spread</b>") for text in texts(page, "span"))


def test_those_who_cannot_see_it_are_told(any_page):
    (root,) = any_page.all("html")
    assert root["lang"] == "en"
    plots = any_page.all("svg")
    assert {plot["role"] for plot in plots} == {"img"}
    assert all(plot["aria-label"] for plot in plots)
    assert all(picture["alt"] for picture in any_page.all("img"))
    assert all("scope" in head for head in any_page.all("th"))


def test_it_is_small(evaluated):
    results = evaluated / "results/small"
    assert (results / "report.html").stat().st_size < LARGEST["report.html"]
    assert max(p.stat().st_size for p in (results / "report").iterdir()) < LARGEST["report"]


def test_a_log_ends_with_what_was_said_and_not_with_seconds(tmp_path):
    runs = "".join(f"run {i}: 0.16 s, 432 MiB\n" for i in range(500))
    said = "run 500: 0.20 s, 432 MiB\n  | hello\n"
    (tmp_path / "log.txt").write_text(2 * "isolation full\n" + runs + said + runs + "flag slow")
    assert log_end(tmp_path) == (
        "isolation full  (× 2)\nrun 500: 0.20 s, 432 MiB\n  | hello\nflag slow"
    )


def test_only_what_changed_is_drawn_again_and_what_is_gone_is_removed(workspace):
    folder = workspace / "results/small/report"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / "gone-16.html").write_bytes(before["plain-16.html"])
    (folder / "mine.html").write_text("not ours")
    for path in folder.iterdir():
        os.utime(path, (1, 1))
    log = workspace / "results/small/submissions/plain/log.txt"
    log.write_text(log.read_text() + "one more line\n")
    assert "one more line" in redrawn(workspace, "plain").source
    drawn = [path.name for path in folder.iterdir() if path.stat().st_mtime > 1]
    assert drawn == ["plain-16.html"]
    del before["plain-16.html"]
    assert before == {name: (folder / name).read_bytes() for name in before}
    assert {path.name for path in folder.iterdir()} == {*before, "plain-16.html", "mine.html"}


def test_the_same_results_make_the_same_pages(workspace):
    before = {path: path.read_bytes() for path in report(workspace).parent.rglob("*.html")}
    shutil.rmtree(workspace / "results/small/report")
    redrawn(workspace, "plain")
    assert before == {path: path.read_bytes() for path in before}


def test_without_the_reference_it_says_so_and_trains_none(workspace):
    shutil.rmtree(workspace / "reference")
    page = redrawn(workspace, "plain")
    assert notes(page) == notes(Page(report(workspace).read_text())) == [NO_REFERENCE]
    assert not (workspace / "reference").exists()
    assert "Epsilon of each forget example" in page.source
    assert not page.all("img")


@pytest.mark.parametrize("damage", ["gone", "cut short"])
def test_without_all_outputs_a_row_says_so(workspace, damage):
    (outputs,) = (workspace / "results/small/submissions/plain").rglob("outputs-*.safetensors")
    if damage == "gone":
        outputs.unlink()
    else:
        outputs.write_bytes(outputs.read_bytes()[:-1])
    assert notes(redrawn(workspace, "plain")) == [NO_OUTPUTS.format(runs=16)]


def test_outputs_of_an_older_version_are_drawn_as_far_as_they_go(workspace):
    (kept,) = (workspace / "results/small/submissions/plain").glob("runs-*")
    stored, name = Store(kept), "outputs-0000-0016"
    outputs, facts = stored.get(name), stored.facts(name)
    del outputs["retain_logits"]
    stored.put(name, outputs, **facts)
    page = redrawn(workspace, "plain")
    assert notes(page) == [NO_RETAIN.format(folder="results/small/submissions/plain")]
    assert "Confidence in forget examples, raw" in texts(page, "h3")
    assert "Confidence in 64 retain examples" not in texts(page, "h3")


def test_examples_of_another_evaluation_are_not_taken_for_its_own(workspace):
    path = workspace / "results/small/submissions/plain/metrics-16.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"score": 0.123}))
    assert notes(redrawn(workspace, "plain")) == [NO_EXAMPLES.format(runs=16)]


def test_a_source_that_did_not_run_is_not_shown(workspace):
    (workspace / "results/small/submissions/plain/source.py").write_text("print('never ran')")
    assert "never ran" not in redrawn(workspace, "plain").source


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


@pytest.mark.parametrize("option", ["--competition=small.toml", "--all"])
def test_before_anything_was_evaluated_it_is_a_mistake_of_one_line(workspace, capsys, option):
    shutil.rmtree(workspace / "results")
    assert main(["report", option]) == 2
    out, err = capsys.readouterr()
    assert "evaluate something" in err
    assert (out, err.count("\n")) == ("", 1)
