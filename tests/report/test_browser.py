"""The page in a real browser: no complaint, it sorts by its address, a link opens a section."""

import shutil
import subprocess
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.report.conftest import ODD, Page, report

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="needs the Debian package chromium")


@pytest.fixture
def browse(evaluated, tmp_path):
    """Opens the page, or another, and gives what became of it and what the browser said."""

    def browse(address: str = "", path: Path | None = None) -> tuple[Page, str]:
        done = subprocess.run(
            [
                str(CHROMIUM),
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--enable-logging=stderr",
                f"--user-data-dir={tmp_path / 'profile'}",
                "--dump-dom",
                f"{(path or report(evaluated)).as_uri()}#{address}",
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        return Page(done.stdout), done.stderr

    return browse


def rows(page: Page) -> list[str]:
    return [element["id"] for element in page.all("tr") if "id" in element]


def opened(page: Page) -> list[str]:
    return [element["id"] for element in page.all("details") if "open" in element]


def test_the_page_loads_without_a_complaint(browse):
    page, said = browse()
    assert "CONSOLE" not in said
    assert opened(page) == []


def test_a_complaint_would_be_noticed(browse, evaluated, tmp_path):
    path = tmp_path / "injected.html"
    path.write_text(report(evaluated).read_text().replace("<h1>", "<script>alert(1)</script><h1>"))
    _, said = browse(path=path)
    assert "CONSOLE" in said
    assert "Content Security Policy" in said


def test_it_sorts_by_its_address(browse):
    names = ["broken", quote(ODD, safe=""), "plain"]
    page, said = browse("sort=submission")
    assert rows(page) == [f"row:{name}-16" for name in names]
    (sorted_by,) = [e for e in page.all("th") if "aria-sort" in e]
    assert (sorted_by["data-key"], sorted_by["aria-sort"]) == ("submission", "ascending")
    page, _ = browse("sort=-submission")
    assert rows(page) == [f"row:{name}-16" for name in reversed(names)]
    assert "CONSOLE" not in said


@pytest.mark.parametrize("address", ["sort=score", "sort=-score"])
def test_a_row_without_a_score_stays_last(browse, address):
    page, _ = browse(address)
    scores = [e["data-value"] for e in page.all("td") if "data-value" in e][1::9]
    assert rows(page)[-1] == "row:broken-16"
    assert scores[-1] == ""
    numbers = [float(score) for score in scores[:-1]]
    assert numbers == sorted(numbers, reverse=address == "sort=-score")


def test_the_address_of_a_submission_opens_it_alone(browse):
    for name in ("plain", quote(ODD, safe="")):
        page, said = browse(f"{name}-16")
        assert opened(page) == [f"{name}-16"]
        assert "CONSOLE" not in said
