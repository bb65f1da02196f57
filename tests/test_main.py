"""The command line: help, names that are nearly right, new submissions, JSON."""

import json
from pathlib import Path

import pandas as pd
import pytest

from harness import leaderboard
from harness.__main__ import main

VERBS = ["evaluate", "check", "reference", "leaderboard", "report", "repair", "new"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb, capsys):
    with pytest.raises(SystemExit) as end:
        main([verb, "--help"])
    assert end.value.code == 0
    assert f"example: python -m harness {verb}" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evaluate", "--competition", "digit"], "did you mean 'digits'?"),
        (["check", "submissions/finetun.py"], "did you mean finetune.py?"),
        (["leaderboard", "--competition", "nothing"], "evaluate something first"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(words, said, capsys):
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert (out, err.count("\n")) == ("", 1)


def test_a_new_submission_is_the_template_and_never_overwrites(tmp_path, monkeypatch, capsys):
    template = Path("submissions/template.py").read_bytes()
    monkeypatch.chdir(tmp_path)
    assert main(["new", "mine"]) == 0
    assert Path("submissions/mine.py").read_bytes() == template
    Path("submissions/mine.py").write_text("my work")
    assert main(["new", "mine"]) == 2
    assert "is there already" in capsys.readouterr().err
    assert Path("submissions/mine.py").read_text() == "my work"
    with pytest.raises(SystemExit) as end:
        main(["new", "../mine"])
    assert end.value.code == 2


def test_the_leaderboard_as_json(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    row = {"submission": "mine", "runs": 10, "key": "k", "status": "crashed", "message": "no"}
    leaderboard.write_row(Path("results/digits/mine"), row)
    leaderboard.update(Path("results/digits"), "k")
    assert main(["leaderboard", "--json"]) == 0
    (read,) = json.loads(capsys.readouterr().out)
    assert (read["submission"], read["status"], read["score"]) == ("mine", "crashed", None)
    assert set(read) == set(pd.read_csv("results/digits/leaderboard.csv").columns)


def test_completion_is_printed_for_a_shell(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--print-completion", "bash"])
    assert end.value.code == 0
    assert "leaderboard" in capsys.readouterr().out
