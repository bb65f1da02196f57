"""What a docstring says of a method, taken without parsing the file."""

import pytest

from harness.report.methods import Method, describe

SHIPPED = b'''# A comment first.
"""SalUn: random labels on the forget set (Fan et al. 2023).

A weight is salient if the gradient is large there.

Hyperparameters
---------------
EPOCHS : passes over the retain set.
"""
'''


def test_a_first_line_names_method_and_paper():
    method = describe(SHIPPED)
    assert method.title == "SalUn: random labels on the forget set"
    assert method.paper == "Fan et al. 2023"
    assert method.author == ""
    assert method.text.startswith("A weight is salient")


def test_lines_of_their_own_name_author_and_paper():
    source = '"""Mine (v2).\n\n    Author: Ada Lovelace\n    paper : notes, 1843\n    More.\n"""'
    assert describe(source.encode()) == Method("Mine (v2)", "Ada Lovelace", "notes, 1843", "More.")


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"import torch\n'not a docstring'",
        b"b'bytes'",
        b"f'{1 + 1}'",
        b'"""never closed',
        b"\xff\xfe broken",
        b"# coding: nonsense\n'x'",
        b"(" * 100_000,
        b"'\\N{no such name}'",
        b"\x00",
    ],
)
def test_a_file_that_says_nothing_has_no_method(source):
    assert describe(source) == Method()


def test_a_docstring_is_cut():
    assert len(describe(b"'''one\n" + 100_000 * b"x" + b"'''").text) < 10_000
