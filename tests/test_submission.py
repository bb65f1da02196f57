"""Reading a submission: what the file alone shows, with messages that help."""

import pickle
import sys

import pytest

from harness.submission import LARGEST, MESSAGE, OUTPUT, Verdict, read


def write(folder, content: str | bytes, name: str = "mine.py"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    "source",
    [
        "def unlearning(net, retain, forget, val): pass",
        "def unlearning(model, retain_loader, forget_loader, validation, epochs=3): pass",
        "def unlearning(*loaders): pass",
        "def unlearning(net, *rest, verbose=False): pass",
        "if True:\n    def unlearning(net, r, f, v): pass",
        "def other(a, b, c, d): pass\nunlearning = other",
        "from mine import unlearning",
        "from mine import *",
    ],
)
def test_what_can_be_called_is_read(tmp_path, source):
    submission = read(write(tmp_path, source))
    assert submission.name == "mine"
    assert submission.source == source.encode()
    assert len(submission.sha256) == 64


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("x = 1", "defines no function `unlearning`"),
        ("class A:\n    pass", "defines no function `unlearning`; write"),
        ("class A:\n    def unlearning(self, a, b, c, d): ...", "line 2 is within something else"),
        ("def unlearning(net, retain): pass", "line 1 cannot be called with four"),
        ("def unlearning(net, retain, forget): pass", "It must take all four"),
        ("def unlearning(a, b, c, d, e): pass", "More parameters need defaults"),
        ("def unlearning(a, b, c, d, *, e): pass", "More parameters need defaults"),
        ("def unlearning(a, b, c, d, device, e): pass", "More parameters need defaults"),
        ("def unlearning(device, a, b, c, d): pass", "More parameters need defaults"),
        ("async def unlearning(a, b, c, d): pass", "`async`"),
        ("def unlearning(net, retain, forget, val)\n    pass", "line 1: SyntaxError"),
        ("\tx = 1\n  y = 2", "mine.py, line"),
        ("x = 1\0", "null bytes"),
        (b"# caf\xe9\n", "not UTF-8 (byte 5"),
        ("x = '" + "a" * LARGEST[".py"] + "'", "Weights and data cannot be submitted"),
    ],
)
def test_what_cannot_be_a_submission_is_explained(tmp_path, source, complaint):
    with pytest.raises(Verdict) as verdict:
        read(write(tmp_path, source))
    assert verdict.value.status == "invalid_submission"
    assert complaint in verdict.value.message


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(Verdict, match="ends in .py"):
        read(write(tmp_path, "x = 1", "mine.txt"))


@pytest.mark.parametrize("name", ["none.py", "."])
def test_what_is_no_file_is_the_callers_mistake(tmp_path, name):
    with pytest.raises(FileNotFoundError, match="a submission is one .py or .ipynb file"):
        read(tmp_path / name)


@pytest.mark.parametrize("source", ['print(f"{seen["forget"]}")', "type Batch = tuple"])
def test_syntax_of_a_newer_python_is_said_to_be_read_by_this_one(tmp_path, source):
    if sys.version_info >= (3, 12):
        pytest.skip("this Python has that syntax")
    with pytest.raises(Verdict, match=r"line 1: .*\(Python 3.11 reads submissions here\)"):
        read(write(tmp_path, source))


def test_a_name_that_is_none_is_no_ones_folder(tmp_path):
    with pytest.raises(Verdict, match="cannot name a row"):
        read(write(tmp_path, "", "..py"))


def test_what_a_verdict_says_is_clean_and_short():
    verdict = Verdict("crashed", "\x1b[2J" * MESSAGE + "the end", "\u202e" * OUTPUT)
    assert verdict.message.startswith(r"\x1b[2J")
    assert verdict.message.endswith("the end")
    assert len(verdict.message.encode()) <= MESSAGE
    assert len(verdict.output.encode()) <= OUTPUT
    assert "\u202e" not in verdict.output
    again = pickle.loads(pickle.dumps(verdict))
    assert (again.status, again.message, again.output) == (
        verdict.status,
        verdict.message,
        verdict.output,
    )


def test_third_party_imports_are_named_wherever_they_stand(tmp_path):
    source = (
        "import os, torch.nn as nn\n"
        "def unlearning(n, r, f, v):\n"
        "    from sklearn.linear_model import LogisticRegression\n"
    )
    assert read(write(tmp_path, source)).imports == ("sklearn.linear_model", "torch.nn")


def test_the_competition_says_how_much_python_it_takes(tmp_path):
    source = "def unlearning(net, r, f, v): pass\n" + f"# {'x' * 1000}\n" * 10
    path = write(tmp_path, source)
    assert read(path, largest_kb=10).source
    with pytest.raises(Verdict, match=r"mine.py has 10,\d\d\d bytes of Python; .* at most 9,216 "):
        read(path, largest_kb=9)
