"""The command line: help, misspelled names, new submissions, JSON."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest

import harness as package
from harness import leaderboard
from harness.__main__ import main
from harness.columns import Row

VERBS = [
    "evaluate",
    "check",
    "reference",
    "leaderboard",
    "score",
    "report",
    "repair",
    "new",
    "competition",
    "teams",
    "private",
    "remove",
    "archive",
]


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
    template, scrub = (Path(f"submissions/{n}.py").read_bytes() for n in ("template", "scrub"))
    monkeypatch.chdir(tmp_path)
    assert main(["new", "mine"]) == 0
    assert Path("submissions/mine.py").read_bytes() == template
    Path("submissions/mine.py").write_text("my work")
    assert main(["new", "mine"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert Path("submissions/mine.py").read_text() == "my work"
    assert main(["new", "my-idea"]) == 0
    assert Path("submissions/my-idea.py").read_bytes() == template
    assert main(["new", "other", "--from", "scrub"]) == 0
    assert Path("submissions/other.py").read_bytes() == scrub
    assert main(["new", "third", "--from", "scrap"]) == 2
    assert "no method 'scrap' ships; there are: bad_teacher, " in capsys.readouterr().err
    for name in ("../mine", "-mine", "mine.py", ""):
        with pytest.raises(SystemExit) as end:
            main(["new", "--", name])
        assert end.value.code == 2


def test_the_version_is_said_once(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"harness {package.__version__}\n"
    project = tomllib.loads(Path("pyproject.toml").read_text())
    assert project["project"]["dynamic"] == ["version"]


def test_in_an_empty_folder_the_hint_names_what_is_there(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate"]) == 2
    assert "start one: harness new mine" in capsys.readouterr().err
    Path("Makefile").touch()
    assert main(["evaluate"]) == 2
    assert "start one: make new NAME=mine" in capsys.readouterr().err


def test_a_submission_here_is_imported_by_nobody(tmp_path):
    for name in ("numpy", "pandas", "random", "torch"):
        (tmp_path / f"{name}.py").write_text(f"open('{name} was imported', 'w')")
    command = [sys.executable, "-m", "harness", "leaderboard"]
    where = os.environ | {"PYTHONPATH": str(Path.cwd())}
    done = subprocess.run(command, cwd=tmp_path, env=where, capture_output=True, text=True)
    assert "evaluate something first" in done.stderr
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".py"] * 4


def test_the_leaderboard_as_json(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    row = Row(submission="mine", runs=10, reference="k", status="crashed", message="no")
    leaderboard.write_row(Path("results/digits/submissions/mine"), row)
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
    reference, submission, look = capsys.readouterr().out.splitlines()
    models = {"random": 129, "memorised": 161}[kind]  # 64 on half of the data cost as 32
    assert reference.startswith(f"reference: {models} models x 168 steps x ")
    assert submission.startswith("each submission: 64 runs of at most 20% of a retraining")
    assert look.startswith("for a first look, --runs 32: about ")
    assert [path.name for path in tmp_path.iterdir()] == ["mine.toml"]


@pytest.fixture
def harness(tmp_path):
    """Runs the command as a shell does, in a folder with a leaderboard of one row."""
    row = Row(submission="mine", runs=10, reference="k", status="crashed", message="no")
    leaderboard.write_row(tmp_path / "results/digits/submissions/mine", row)
    leaderboard.update(tmp_path / "results/digits", "k")

    def harness(line: str, **environment: str) -> subprocess.CompletedProcess:
        command = f"set -o pipefail; {sys.executable} -m harness {line}"
        root = str(Path(__file__).parents[1])
        return subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": root, "PYTHONUTF8": "1"} | environment,
            capture_output=True,
            text=True,
            encoding=environment.get("PYTHONIOENCODING", "utf-8"),
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
        ("leaderboard >&-", 0, ""),
        ("leaderboard <&- >&-", 0, ""),
        ("leaderboard 2>&- | grep mine >/dev/null", 0, ""),
        ("nonsense 2>&-", 2, ""),
        ("evaluate --competition digit >&- 2>&-", 2, ""),
    ],
)
def test_exit_codes_and_complaints_in_a_shell(harness, line, code, said):
    done = harness(line)
    assert done.returncode == code
    assert done.stderr.startswith(said)
    assert bool(done.stderr) == bool(said)
    assert "\x1b" not in done.stdout + done.stderr


def test_without_standard_streams_no_other_file_takes_their_place(harness, tmp_path):
    code = (
        "from harness.__main__ import main; code = main(['leaderboard']); "
        "file = open('new', 'w'); print(code, file.fileno(), file=file)"
    )
    command = f'{sys.executable} -c "{code}" <&- >&- 2>&-'
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    subprocess.run(["bash", "-c", command], cwd=tmp_path, env=env, check=True)
    code, descriptor = map(int, (tmp_path / "new").read_text().split())
    assert code == 0
    assert descriptor > 2


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_terminal_shows_what_it_can(harness, tmp_path, encoding):
    row = Row(submission="Zoë-Ω", runs=10, reference="k", status="crashed", message="no")
    leaderboard.write_row(tmp_path / "results/digits/submissions/Zoë", row)
    leaderboard.update(tmp_path / "results/digits", "k")
    done = harness("leaderboard", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    assert {"ascii": "Zo\\xeb-\\u03a9", "latin-1": "-\\u03a9"}.get(encoding, "Zoë-Ω") in done.stdout


@pytest.mark.parametrize("encoding", ["cp1252", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("verb", ["leaderboard", "leaderboard --json"])
def test_a_leaderboard_that_a_spreadsheet_saved_is_made_again(harness, tmp_path, encoding, verb):
    row = Row(submission="Zoë", runs=10, reference="k", status="crashed", message="no")
    leaderboard.write_row(tmp_path / "results/digits/submissions/Zoë", row)
    path = tmp_path / "results/digits/leaderboard.csv"
    leaderboard.update(path.parent, "k")
    before, printed = path.read_bytes(), harness(verb).stdout
    saved = before.decode().replace(",", ";").replace("\n", "\r\n")
    path.write_bytes(saved.encode(encoding))
    done = harness(verb)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", printed)
    assert path.read_bytes() == before


@pytest.fixture
def make(tmp_path):
    """Runs make on our Makefile, with a Python that says which arguments it was given."""
    shutil.copy("Makefile", tmp_path)
    (tmp_path / ".venv/bin").mkdir(parents=True)
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / ".venv/installed").touch()
    python = tmp_path / ".venv/bin/python"
    python.write_text('#!/bin/sh\nfor each in "$@"; do echo "[$each]"; done\n')
    python.chmod(0o755)

    def make(*words: str) -> subprocess.CompletedProcess:
        own = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
        return subprocess.run(
            ["make", *words], cwd=tmp_path, env=own, capture_output=True, text=True
        )

    return make


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        (["evaluate"], ["evaluate", "--competition", "digits"]),
        (
            ["evaluate", "SUBMISSION=submissions/my method (1).py", "RUNS=64", "WORKERS=2"],
            [
                *("evaluate", "--competition", "digits", "--runs", "64", "--workers", "2"),
                "submissions/my method (1).py",
            ],
        ),
        (
            ["check", 'SUBMISSION=it\'s "mine" & *.py', "COMPETITION=my cup.toml"],
            ["check", "--competition", "my cup.toml", 'it\'s "mine" & *.py'],
        ),
        (["competition", "NAME=my-cup", "DATA=my images"], ["competition", "my-cup", "my images"]),
        (["new", "NAME=my-idea"], ["new", "my-idea"]),
        (["repair"], ["repair", "--competition", "digits_repair"]),
        (
            ["teams", "COMPETITION=course", "INBOX=their files", "RUNS=64"],
            ["teams", "--competition", "course", "--runs", "64", "--inbox", "their files"],
        ),
        (["remove", "NAME=my idea"], ["remove", "--competition", "digits", "my idea"]),
    ],
)
def test_make_passes_on_what_it_was_given(make, words, arguments):
    done = make(*words)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split("\n") == [f"[{each}]" for each in ["-m", "harness", *arguments]] + [""]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["check"], "make check needs SUBMISSION="),
        (["new"], "make new needs NAME="),
        (["competition", "NAME=x"], "make competition needs DATA="),
        (["remove"], "make remove needs NAME="),
    ],
)
def test_make_says_what_is_missing_and_starts_nothing(make, words, said):
    done = make(*words)
    assert done.returncode == 2
    assert done.stderr.startswith(said)
    assert done.stdout == ""


def test_make_alone_shows_every_target(make):
    done = make()
    assert (done.returncode, done.stdout) == (0, make("help").stdout)
    text = Path("Makefile").read_text().replace("\\\n", "")
    targets = text.split(".PHONY:")[1].split("\n")[0].split()
    for target in targets:
        assert f"\n  {target} " in done.stdout


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
