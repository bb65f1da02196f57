"""The command line: help, names that are nearly right, new submissions, JSON."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from harness import leaderboard
from harness.__main__ import main

VERBS = ["evaluate", "check", "reference", "leaderboard", "report", "repair", "new", "competition"]


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb, capsys):
    with pytest.raises(SystemExit) as end:
        main([verb, "--help"])
    assert end.value.code == 0
    assert f"example: python -m harness {verb}" in " ".join(capsys.readouterr().out.split())


def test_the_help_has_an_example_and_the_exit_codes(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "example: python -m harness evaluate" in said
    assert "2 the command, competition or machine is at fault" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evaluate", "--competition", "digit"], "did you mean 'digits'?"),
        (["check", "submissions/finetun.py"], "did you mean finetune.py?"),
        (["leaderboard", "--competition", "digit"], "did you mean 'digits'?"),
        (["reference", "--competition", "reference/digit.toml"], "did you mean 'digits.toml'?"),
        (["leaderboard", "--competition", "casia_surf_clean"], "evaluate something first"),
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


@pytest.mark.parametrize("kind", ["random", "memorised"])
def test_a_dry_run_says_what_a_reference_costs_and_keeps_nothing(
    tmp_path, monkeypatch, capsys, kind
):
    text = Path("reference/digits.toml").read_text()
    (tmp_path / "mine.toml").write_text(text.replace("start = 1560", f'kind = "{kind}"'))
    monkeypatch.chdir(tmp_path)
    assert main(["reference", "--competition", "mine.toml", "--runs", "64", "--dry-run"]) == 0
    reference, submission = capsys.readouterr().out.splitlines()
    models = {"random": 129, "memorised": 161}[kind]  # 64 on half of the data cost as 32
    assert reference.startswith(f"reference: {models} models x 168 steps x ")
    assert submission.startswith("each submission: 64 runs of at most 20% of a retraining")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]


@pytest.fixture
def harness(tmp_path):
    """Runs the command as a shell does, in a folder with a leaderboard of one row."""
    row = {"submission": "mine", "runs": 10, "key": "k", "status": "crashed", "message": "no"}
    leaderboard.write_row(tmp_path / "results/digits/mine", row)
    leaderboard.update(tmp_path / "results/digits", "k")

    def harness(line: str) -> subprocess.CompletedProcess:
        command = f"set -o pipefail; {sys.executable} -m harness {line}"
        root = str(Path(__file__).parents[1])
        return subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": root},
            capture_output=True,
            text=True,
        )

    return harness


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("leaderboard | true", 141, ""),
        ("leaderboard --json | cat", 0, ""),
        ("leaderboard >/dev/full", 2, "error: [Errno 28] No space left on device\n"),
        ("leaderboard --competition digit", 2, "error: no competition 'digit'; did you mean"),
        ("nonsense", 2, "usage: harness"),
    ],
)
def test_exit_codes_and_complaints_in_a_shell(harness, line, code, said):
    done = harness(line)
    assert done.returncode == code
    assert done.stderr.startswith(said)
    assert bool(done.stderr) == bool(said)
    assert "\x1b" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "completed"),
    [
        ("ev", "evaluate"),
        ("evaluate --require-isolation f", "full"),
        ("evaluate submissions/mi", "submissions/mine.py"),
        ("check submissions/mi", "submissions/mine.py"),
        ("leaderboard --competition my", "mycup.toml"),
    ],
)
def test_a_shell_completes(tmp_path, capsys, words, completed):
    (tmp_path / "submissions").mkdir()
    (tmp_path / "submissions/mine.py").touch()
    (tmp_path / "mycup.toml").touch()
    with pytest.raises(SystemExit) as end:
        main(["--print-completion", "bash"])
    assert end.value.code == 0
    ask = f"""
    COMP_WORDS=(harness {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
    _shtab_harness; echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "-c", capsys.readouterr().out + ask], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout.split() == [completed]
