"""Files that attack whoever reads them: each gets its own verdict, or is read."""

import re
import resource

import pytest

from harness import names
from harness.submission import MESSAGE, Verdict, read
from tests.attacks.files import NAMES, UNREADABLE, write_names


def peak_mb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_attacks_its_reader_costs_its_own_verdict_alone(tmp_path, name):
    content, complaint = UNREADABLE[name]
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = peak_mb()
    if complaint:
        with pytest.raises(Verdict) as caught:
            read(path, largest_kb=1024)
        message = caught.value.message
        assert caught.value.status == "invalid_submission"
        assert message.startswith(name)
        assert complaint in message
        assert len(message.encode()) <= MESSAGE
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", message)
    else:
        assert b"def " in read(path, largest_kb=1024).source
    assert peak_mb() - before < 64


def test_names_that_cannot_be_are_passed_over_or_get_a_verdict(tmp_path, capsys):
    write_names(tmp_path)
    found = {path.name: path for path in names.find(tmp_path)}
    assert set(found) == {n for n, sound in NAMES.items() if sound is not None} | {"twice.py"}
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert said.startswith("skipped in ")
    assert " and 6 more" in said
    for name, sound in NAMES.items():
        if sound:
            assert names.is_name(read(found[name]).name)
        elif sound is False:
            with pytest.raises(Verdict, match="cannot name a row") as caught:
                read(found[name])
            assert caught.value.message.isprintable()


def test_a_name_is_one_whatever_form_its_letters_have(tmp_path):
    for form in ("Zoe\u0308.py", "Zo\u00eb.ipynb"):
        (tmp_path / form).write_text("def unlearning(net, retain, forget, val): pass")
    (only,) = names.find(tmp_path)
    assert read(only).name == "Zo\u00eb"
