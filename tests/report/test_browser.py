"""The pages in a real browser: no complaint; mouse, keys, addresses and a form rule the table."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from harness import leaderboard
from harness.__main__ import main
from tests.report.conftest import NOISY, ODD, report, row_page

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs the Debian package chromium")
NAMES = ["broken", *(quote(name, safe="") for name in (NOISY, ODD)), "plain"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        yield driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


@pytest.fixture
def browse(browser, evaluated) -> Iterator[Callable[..., tuple[Page, list[str]]]]:
    """Opens the page, or another, and gives it with what the browser complains of."""
    contexts = []

    def browse(address: str = "", path: Path | None = None, **settings) -> tuple[Page, list[str]]:
        contexts.append(browser.new_context(**settings))
        page, complaints = contexts[-1].new_page(), []
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(f"{(path or report(evaluated)).as_uri()}#{address}")
        return page, complaints

    yield browse
    for context in contexts:
        context.close()


def rows(page: Page) -> list[str]:
    """Of submissions, without the lines that stand on every board."""
    shown = page.eval_on_selector_all("tbody tr[id]", "rows => rows.map(row => row.id)")
    return [row for row in shown if not row.startswith(("row:%28", "row:head_noise"))]


def expect_sorted(page: Page, key: str, order: str) -> None:
    expect(page.locator("th[aria-sort]")).to_have_count(1)
    expect(page.locator(f"th[data-key={key}]")).to_have_attribute("aria-sort", order)


def expect_address(page: Page, address: str) -> None:
    expect(page).to_have_url(re.compile(f"#{re.escape(address)}$"))


@pytest.fixture(params=["board", "row"])
def path(request, evaluated) -> Path:
    return report(evaluated) if request.param == "board" else row_page(evaluated, NOISY)


def test_a_page_loads_without_a_complaint(browse, path):
    _, complaints = browse(path=path)
    assert complaints == []


def test_a_complaint_would_be_noticed(browse, path, tmp_path):
    injected = tmp_path / "injected.html"
    injected.write_text(path.read_text().replace("<h1>", "<script>alert(1)</script><h1>"))
    page, complaints = browse(path=injected)
    with page.expect_console_message():
        page.reload()
    assert any("Content Security Policy" in each for each in complaints)


def test_a_click_sorts_and_another_turns_it_round(browse):
    page, complaints = browse()
    page.get_by_role("button", name="submission").click()
    expect_sorted(page, "submission", "ascending")
    assert rows(page) == [f"row:{name}-16" for name in NAMES]
    expect_address(page, "sort=submission")
    page.get_by_role("button", name="submission").click()
    expect_sorted(page, "submission", "descending")
    assert rows(page) == [f"row:{name}-16" for name in reversed(NAMES)]
    assert complaints == []


def test_a_click_on_a_name_opens_its_page_and_leads_back(browse):
    for name in ("plain", ODD):
        page, complaints = browse()
        page.get_by_role("link", name=name).click()
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        page.get_by_role("link", name="leaderboard").click()
        expect(page.locator("tr:target")).to_have_count(1)
        assert page.locator("tr:target a").inner_text() == name
        assert complaints == []


def test_keys_do_what_the_mouse_does(browse):
    page, complaints = browse()
    while page.evaluate("document.activeElement.textContent") != "submission":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect_sorted(page, "submission", "ascending")
    while page.evaluate("document.activeElement.tagName") != "SUMMARY":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.parentElement.open")
    while page.evaluate("document.activeElement.textContent") != "plain":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("plain")
    assert complaints == []


@pytest.mark.parametrize("address", ["sort=score", "sort=-score"])
def test_an_address_sorts_and_a_row_without_a_score_stays_last(browse, address):
    page, complaints = browse(address)
    scores = page.eval_on_selector_all(
        "tbody tr[id]", "rows => rows.map(row => row.cells[3].dataset.value)"
    )
    assert {*rows(page)[-2:]} == {"row:broken-16", f"row:{quote(ODD, safe='')}-16"}
    assert scores[-2:] == ["", ""]
    numbers = [float(score) for score in scores[:-2]]
    assert numbers == sorted(numbers, reverse=address == "sort=-score")
    assert complaints == []


def shown(page: Page) -> list[str]:
    names = page.locator("tbody tr[id]:visible th").all()
    return [name.get_attribute("data-value") for name in names]


def test_a_search_and_a_flag_leave_the_rows_that_fit(browse):
    page, complaints = browse()
    everything = shown(page)
    page.get_by_label("search").fill("NOISE head")  # in names, titles and papers of methods
    assert {*shown(page)} == {"head_noise", NOISY}
    assert page.locator("output").inner_text() == f"2 of {len(everything)} rows"
    page.get_by_label("search").fill("no such method")
    assert shown(page) == []
    assert page.get_by_text("No row fits").is_visible()
    page.get_by_label("search").fill("")
    page.get_by_label("flags").select_option("identical_runs")
    assert shown(page) == ["plain"]
    page.get_by_label("flags").select_option("-")
    assert "plain" not in shown(page)
    page.get_by_label("flags").select_option("")
    assert shown(page) == everything
    assert complaints == []


@pytest.fixture
def two_counts(evaluated, tmp_path, monkeypatch) -> Path:
    """The results with some rows of another N, and a page that compares two competitions."""
    shutil.copytree(evaluated, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    for path in Path("results/small").glob("*/*/row-16.json"):
        row = json.loads(path.read_text())
        if row["submission"] != NOISY:
            path.with_name("row-32.json").write_text(json.dumps(row | {"runs": 32}))
    leaderboard.update(Path("results/small"), row["reference"])
    assert main(["report", "--competition", "small.toml"]) == 0
    shutil.copytree("results/small", f"results/{60 * 'x'}_another")
    assert main(["report", "--all"]) == 0
    return tmp_path


def test_rows_of_another_n_stand_apart(browse, two_counts):
    page, complaints = browse("sort=-submission", path=report(two_counts))
    every = shown(page)
    assert every == sorted(every[:5], reverse=True) + sorted(every[5:], reverse=True)
    assert NOISY in every[5:]  # N = 32 first, which it was not run with
    assert NOISY not in every[:5]
    page.locator("select[name=runs]").select_option("16")
    assert shown(page) == every[5:]
    assert page.locator(".heading:visible").count() == 1
    assert complaints == []


@pytest.mark.parametrize("width", [390, 1280])
def test_the_comparison_scrolls_within_its_frame(browse, two_counts, width):
    path = two_counts / "results/report.html"
    page, complaints = browse(path=path, viewport={"width": width, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.get_by_role("link", name="small").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("small")
    assert complaints == []


@pytest.mark.parametrize("javascript", [True, False])
def test_an_axis_is_chosen_and_a_flag_explained_by_the_page_alone(browse, javascript):
    page, complaints = browse(java_script_enabled=javascript)
    assert page.get_by_label("search").is_visible() == javascript
    marks = page.locator("tr[id] svg:visible")
    assert {mark.get_attribute("class") for mark in marks.all()} == {"log"}
    page.get_by_role("radio", name="linear").check()
    assert {mark.get_attribute("class") for mark in marks.all()} == {"linear"}
    why = page.get_by_text("as a fixed seed does; retrained models differ")
    assert not why.is_visible()
    page.locator("summary", has_text="identical runs").click()
    assert why.is_visible()
    assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_ink_stands_out_from_the_page(browse, path, scheme):
    page, _ = browse(path=path, color_scheme=scheme)
    ink, paper = (
        [int(part) for part in page.evaluate(expression).strip("rgb()").split(",")]
        for expression in (
            "getComputedStyle(document.querySelector('svg text')).fill",
            "getComputedStyle(document.body).backgroundColor",
        )
    )
    assert abs(sum(ink) - sum(paper)) > 3 * 100
    assert (sum(paper) > sum(ink)) == (scheme == "light")


OUTSIDE = """width => [...document.querySelectorAll("main *, header *")].filter((each) => {
  const box = each.getBoundingClientRect();
  return box.width > 0 && (box.right > width + 1 || box.left < -1);
}).map((each) => each.outerHTML.slice(0, 100))"""


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_lies_off_the_screen(browse, path, width):
    page, _ = browse(path=path, viewport={"width": width, "height": 844})
    for closed in page.locator("summary").all():
        closed.click()
    assert page.evaluate(OUTSIDE, width) == []


def test_on_a_phone_a_row_is_a_card_that_can_be_sorted(browse):
    page, complaints = browse(viewport={"width": 390, "height": 844})
    row = page.locator("tr[id]", has_text="plain").first
    assert row.evaluate("row => getComputedStyle(row).display") == "grid"
    titles = "cells => cells.map(cell => getComputedStyle(cell, '::before').content)"
    assert '"forget "' in "".join(row.locator("td").evaluate_all(titles)).replace('""', '"')
    page.get_by_label("sort by").select_option("score")
    expect_sorted(page, "score", "descending")
    assert complaints == []
