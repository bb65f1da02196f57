"""The log: what runs print is cut, what the harness notes is not."""

from harness import log
from harness.text import quoted


def test_prints_fill_a_log_up_to_whole_lines_and_notes_come_after_them(tmp_path):
    entry = "run 0: 1 s\n" + quoted("x" * 99 + "\n" + "run 1: 1 s\n" * 400)
    for _ in range(log.BYTES // len(entry) + 3):
        log.printed(tmp_path, entry)
    log.note(tmp_path, "crashed\n")
    text = (tmp_path / "log.txt").read_text()
    assert len(text) <= log.BYTES + 200
    lines = text.splitlines()
    assert {line[:6] for line in lines[:-2]} == {"run 0:", "  | xx", "  | ru"}
    assert lines[-2].startswith("the log is full")
    assert lines[-1] == "crashed"
