"""The page in a real browser: no complaint; mouse, keys and addresses sort it and open a row."""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.report.conftest import NOISY, ODD, report

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


def expect_open(page: Page, *ids: str) -> None:
    """Once the browser has followed the address, which it does a moment after a key or click."""
    expect(page.locator("details[open]")).to_have_count(len(ids))
    assert page.eval_on_selector_all("details[open]", "open => open.map(each => each.id)") == [*ids]


def expect_sorted(page: Page, key: str, order: str) -> None:
    expect(page.locator("th[aria-sort]")).to_have_count(1)
    expect(page.locator(f"th[data-key={key}]")).to_have_attribute("aria-sort", order)


def expect_address(page: Page, address: str) -> None:
    expect(page).to_have_url(re.compile(f"#{re.escape(address)}$"))


def test_the_page_loads_without_a_complaint(browse):
    page, complaints = browse()
    expect_open(page)
    assert complaints == []


def test_a_complaint_would_be_noticed(browse, evaluated, tmp_path):
    path = tmp_path / "injected.html"
    path.write_text(report(evaluated).read_text().replace("<h1>", "<script>alert(1)</script><h1>"))
    page, complaints = browse(path=path)
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


def test_a_click_on_a_name_opens_its_section(browse):
    page, complaints = browse()
    page.get_by_role("link", name="plain").click()
    expect_open(page, "plain-16")
    assert page.locator("details[open]").get_by_text("One point per model").is_visible()
    page.get_by_role("link", name="Row on the leaderboard").click()
    expect_address(page, "row:plain-16")
    assert complaints == []


def test_keys_do_what_the_mouse_does(browse):
    page, complaints = browse()
    page.keyboard.press("Tab")  # the table, which can be scrolled
    for _ in ("rank", "group", "submission"):
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect_sorted(page, "submission", "ascending")
    while page.evaluate("document.activeElement.textContent") != "plain":
        page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect_open(page, "plain-16")
    assert page.evaluate("document.activeElement.tagName") == "SUMMARY"
    page.keyboard.press("Space")
    expect_open(page)
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


def test_the_address_of_a_submission_opens_it_alone(browse):
    for name in ("plain", quote(ODD, safe="")):
        page, complaints = browse(f"{name}-16")
        expect_open(page, f"{name}-16")
        assert complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_ink_stands_out_from_the_page(browse, scheme):
    page, _ = browse("plain-16", color_scheme=scheme)
    style = "getComputedStyle(document.querySelector('details[open] svg'))"
    ink, paper = (
        [int(part) for part in page.evaluate(expression).strip("rgb()").split(",")]
        for expression in (
            f"{style}.color",
            "getComputedStyle(document.body).backgroundColor",
        )
    )
    assert abs(sum(ink) - sum(paper)) > 3 * 100
    assert (sum(paper) > sum(ink)) == (scheme == "light")


def test_a_phone_shows_it_without_scrolling_sideways(browse):
    page, _ = browse("plain-16", viewport={"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
