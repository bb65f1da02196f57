"""Which files of a folder are submissions, whatever editors and systems leave beside them."""

import pytest

from harness import names, submission
from harness.leaderboard import submission_folder
from harness.submission import Verdict

SOURCE = "def unlearning(net, retain, forget, val):\n    return net\n"


def test_what_editors_and_systems_leave_is_passed_over_in_one_line(tmp_path, capsys):
    for name in ("first.py", "second.ipynb", "Zoë (1).py"):
        (tmp_path / name).write_text(SOURCE)
    (tmp_path / ".#first.py").symlink_to("me@host.1234:1700000000")  # an Emacs lock
    (tmp_path / "mine.py").mkdir()
    (tmp_path / "._first.py").write_bytes(b"\0\5\26\7Mac OS X")
    (tmp_path / "__init__.py").touch()
    (tmp_path / "notes.txt").touch()
    found = [path.name for path in names.find(tmp_path)]
    assert found == ["Zoë (1).py", "first.py", "second.ipynb"]
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    for name in (".#first.py", "mine.py (not a file)", "._first.py", "__init__.py"):
        assert name in said


@pytest.mark.parametrize("name", ["...py", " .py", "-.py"])
def test_a_name_that_cannot_be_a_row_is_a_verdict_and_its_folder_is_its_own(tmp_path, name):
    path = tmp_path / name
    path.write_text(SOURCE)
    with pytest.raises(Verdict, match="cannot name a row. Rename the file") as verdict:
        submission.read(path)
    assert verdict.value.status == "invalid_submission"
    folder = submission_folder(tmp_path, names.row_name(path))
    assert folder.parent == tmp_path / "submissions"


def test_a_row_may_be_called_as_a_file_of_the_results(tmp_path):
    path = tmp_path / "leaderboard.csv.py"
    path.write_text(SOURCE)
    name = submission.read(path).name
    assert submission_folder(tmp_path, name) != tmp_path / "leaderboard.csv"
