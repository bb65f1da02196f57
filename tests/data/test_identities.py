"""A table of identities is read as spreadsheets write it; nobody counts as two persons."""

import pytest

from harness.competition import CompetitionError
from harness.data.identities import identities

FILES = ["ants/1.jpg", "ants/2.png", "bees/1.png", "bees/2.jpg"]
WHO = ["Zoë", "José", "Zoë", "Bob"]
NUMBERS = [2, 1, 2, 0]
TABLE = "file,identity\n" + "".join(f"{f},{w}\n" for f, w in zip(FILES, WHO, strict=True))


@pytest.fixture
def table(tmp_path):
    return tmp_path / "identities.csv"


def numbers(table, text, encoding="utf-8", files=FILES, **options) -> list[int]:
    table.write_bytes(text.encode(encoding))
    return identities(table, files, **options).tolist()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_any_spreadsheet_s_table_is_read(table, encoding, separator, end):
    text = TABLE.replace(",", separator).replace("\n", end)
    assert numbers(table, text, encoding) == NUMBERS


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Bob\n", "Bob\n,\n,,,\n\n"),  # rows that were emptied
        ("file,identity", " File , Identity"),
        ("Zoë\n", "Zoë \n"),
        ("Zoë\n", "Zoe\u0308\n"),  # the same letter in two characters
        ("Zoë\n", "\u00a0Zoë\n"),
        ("bees/2.jpg", "bees\\2.jpg"),
        ("bees/2.jpg", " ./bees/2.jpg "),
        ("Bob\n", '"Bob"\n'),
    ],
)
def test_what_does_not_change_who_is_who(table, old, new):
    assert old in TABLE
    assert numbers(table, TABLE.replace(old, new, 1)) == NUMBERS


def test_more_columns_in_any_order(table):
    lines = [f"{w},x,{f}" for f, w in zip(FILES, WHO, strict=True)]
    assert numbers(table, "\n".join(["identity,note,file", *lines])) == NUMBERS


def test_file_names_agree_whatever_system_wrote_them(table):
    files = ["ants/Zoe\u0308.png", "ants/b.png"]
    assert numbers(table, "file,identity\nants/Zoë.png,A\nants/b.png,B\n", files=files) == [0, 1]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        *[("Bob", "bob"), ("P1", "P01"), ("P1", "Ｐ1"), ("Ann Lee", "AnnLee")],
        *[("Ann Lee", "Ann  Lee"), ("Bob", "Bob\u200b"), ("STRASSE", "straße"), ("7", "007")],
    ],
)
def test_persons_who_are_spelled_alike_are_refused_unless_they_differ(table, first, second):
    text = f"file,identity\na.png,{first}\nb.png,{second}\n"
    with pytest.raises(CompetitionError, match="which look like one") as error:
        numbers(table, text, files=["a.png", "b.png"])
    assert repr(first) in str(error.value)
    assert repr(second) in str(error.value)
    assert sorted(numbers(table, text, files=["a.png", "b.png"], exact=True)) == [0, 1]


@pytest.mark.parametrize(("first", "second"), [("P1", "P10"), ("P100", "P10"), ("A", "B")])
def test_persons_who_are_not_alike(table, first, second):
    text = f"file,identity\na.png,{first}\nb.png,{second}\n"
    assert numbers(table, text, files=["a.png", "b.png"]) == [first > second, first < second]


def test_an_unknown_person_is_nobody_else(table):
    text = TABLE.replace("José", "unknown").replace("png,Zoë", "png, Unknown ")
    assert numbers(table, text) == [1, 2, 3, 0]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("bees/2.jpg,Bob\n", "", r"does not name bees/2.jpg \(1 such in all\)"),
        ("bees/2.jpg", "bees/3.jpg", r"does not name bees/2.jpg \(2 such"),
        ("Bob\n", "Bob\nzebras/1.jpg,Bob\n", "there is not, zebras/1.jpg"),
        ("Bob\n", "Bob\nants/1.jpg,Bob\n", "ants/1.jpg two identities"),
        ("Zoë\n", " \n", 'no identity, ants/1.jpg the first: write "unknown"'),
        ("bees/2.jpg,Bob", "bees/2.jpg", "gives 1 of 4 images no identity, bees/2.jpg"),
        ("file,identity", "name,who", "in its first row; that row is 'name,who"),
        ("file,identity\n", "", "in its first row; that row is 'ants/1.jpg,Zo"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(table, old, new, complaint):
    with pytest.raises(CompetitionError, match=complaint):
        numbers(table, TABLE.replace(old, new, 1))


@pytest.mark.parametrize("content", [TABLE.encode("utf-16-le"), TABLE.encode("cp1252") + b"\x81"])
def test_an_encoding_that_nobody_knows_is_refused_in_one_sentence(table, content):
    table.write_bytes(content)
    with pytest.raises(CompetitionError, match="save it as 'CSV UTF-8'"):
        identities(table, FILES)


def test_an_empty_table_is_refused(table):
    with pytest.raises(CompetitionError, match="needs the columns"):
        numbers(table, "")
