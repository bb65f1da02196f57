"""Hostile files that attack whoever reads them, and names that attack the folder of results."""

import json
import os
from pathlib import Path

MINE = "def unlearning(net, retain, forget, val):\n    return net\n"


def notebook(*cells: str) -> str:
    code = [{"cell_type": "code", "source": cell} for cell in cells]
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "cells": code})


def chain(length: int) -> str:
    """Each name needs the next one; the last line makes a script of it that drives itself."""
    links = "".join(f"a{i} = a{i + 1}\n" for i in range(length))
    needs = MINE.replace("net\n", "a0\n")
    return f"{needs}{links}a{length} = 0\nif a0:\n    raise ValueError\n"


# File name, content, and what its verdict says; "" where it is a submission like any other.
UNREADABLE: dict[str, tuple[str | bytes, str]] = {
    "deep_default.py": (
        f"def unlearning(net, x={'+'.join('1' * 900)}):\n    return net\n",
        "line 1 cannot be called with four",
    ),
    "deep_expression.py": (f"{MINE}x = {'+'.join('1' * 2500)}\n", "line 3 is the longest"),
    "deep_unary.py": (f"{MINE}x = {'-' * 900_000}1\n", "line 3 is the longest"),
    "deep_attributes.py": (f"{MINE}x = a{'.b' * 400_000}\n", "line 3 is the longest"),
    "deep_lambdas.py": (f"{MINE}x = {'lambda: ' * 50_000}1\n", "line 3 is the longest"),
    "deep_parentheses.py": (f"{MINE}x = {'(' * 5000}{')' * 5000}\n", "line 3: SyntaxError"),
    "deep_branches.py": (MINE + "if a: pass\n" + "elif a: pass\n" * 60_000, "nested too deeply"),
    "deep_json.ipynb": ("[" * 200_000 + "]" * 200_000, "not a Jupyter notebook"),
    "deep_script.py": (
        f"{MINE}x = {'+'.join('1' * 2500)}\nif x:\n    raise ValueError\n",
        "line 3 is the longest",
    ),
    "scope_of_a_cell.ipynb": (notebook("def f(a, a):\n    pass\n", MINE), "cell 1, line 1: dup"),
    "scope_of_nonlocal.ipynb": (
        notebook("def f():\n    nonlocal a\n", MINE),
        "cell 1, line 2: no binding",
    ),
    "scope_of_return.py": (f"{MINE}return 1\n", "line 3: SyntaxError: 'return' outside function"),
    "punycode.py": (f"# coding: punycode\n{MINE}#{'a' * 200_000}-{'a' * 200_000}", "in punycode"),
    "rot13.py": (f"# coding: rot13\n{MINE}", "line 1 says that it is in rot13"),
    "utf_7.py": (f"\n# vim: set fileencoding=utf-7 :\n{MINE}", "line 2 says that it is in utf-7"),
    "no_encoding.py": (f"# coding: bogus\n{MINE}", "unknown encoding: bogus"),
    "latin_1.py": (f"{MINE}# caf\xe9\n".encode("latin-1"), "line 3 is not UTF-8"),
    "cookie_in_a_cell.ipynb": (notebook(f"# submission coding: utf-7\n{MINE}"), "line 2 says"),
    "escapes.py": ("x = = '\x1b[2J\x1b]0;mine\x07\u202eall rows are lost'\n", r"\x1b[2J\x1b]0;"),
    "long_line.py": (f"x = = '{'A' * 1_000_000}'\n", "line 1: SyntaxError"),
    "chain.py": (chain(20_000), ""),
    "chain_in_a_cell.ipynb": (notebook(chain(20_000)), ""),
    "many_statements.ipynb": (notebook("x=1\n" * 250_000, MINE), "cannot be read"),
    "many_cells.ipynb": (notebook(*["x = 1\n" * 1000] * 200, MINE), "bytes of code"),
    "f_string.py": (f"{MINE}x = f'{'{a}' * 200_000}'\n", "line 3 is the longest"),
    "one_line.py": (f"{MINE}{'x=1;' * 250_000}\nif x:\n    raise ValueError\n", "line 3 is the"),
    "much_json.ipynb": (f"[{'[],' * 10_000_000}0]", "too large"),
    "numbers.ipynb": ('{"cells": [{"cell_type": "code", "source": [1, 2]}]}', "not a Jupyter"),
    "cells_are_a_table.ipynb": ('{"cells": {"a": 1}}', "not a Jupyter notebook"),
    "list.ipynb": ("[1, 2]", "not a Jupyter notebook"),
    "long_number.ipynb": (f'{{"cells": [], "x": {"9" * 5000}}}', "not a Jupyter notebook"),
    "surrogate.ipynb": (notebook('x = "\ud800"\n', MINE), "a cell cannot be read"),
    "null_in_a_cell.ipynb": (notebook("x = 1\0\n", MINE), "cell 1: source code string"),
    "null.py": (f"{MINE}\0", "line 3 has null bytes"),
    "substitute.py": (f"{MINE}\x0c\x1a\n", "line 3: SyntaxError"),
    "full_width.py": (MINE.replace("unlearning", "ｕnlearning"), ""),
    "many_strings.py": (f"{MINE}x = {repr('a') * 200_000}\n", ""),
    "nested_functions.py": (
        "".join(f"{' ' * i}def f{i}():\n" for i in range(99)) + " " * 99 + f"pass\n{MINE}",
        "",
    ),
}
# Names, and whether the file is a submission that is scored (True), gets a verdict (False), or is
# skipped (None).
NAMES: dict[str, bool | None] = {
    "..py": None,
    "...py": None,
    ".hidden.py": None,
    "._copied.py": None,
    "__init__.py": None,
    "leaderboard.csv.py": True,
    "report.html.py": True,
    "secret.py": True,
    "submissions.py": True,
    "Zoë.py": True,
    "हिंदी 2.py": True,
    "_private.py": False,
    "-rf.py": False,
    " space.py": False,
    "=cmd|' !A0.py": False,
    "a=b.py": False,
    "@SUM(1).py": False,
    "a&b<i>.py": False,
    "escape\x1b[2J.py": False,
    "two\nlines.py": False,
    "turned\u202e.py": False,
    "filler\u3164.py": False,
    f"{'x' * 65}.py": False,
    "\udcff.py": False,
}


def write_unreadable(folder: Path) -> None:
    for name, (content, _) in UNREADABLE.items():
        raw = content if isinstance(content, bytes) else content.encode()
        (folder / name).write_bytes(raw)


def write_names(folder: Path) -> None:
    """`NAMES`, and entries that are no files."""
    for name in NAMES:
        (folder / name).write_text(MINE)
    (folder / "folder.py").mkdir()
    (folder / "dangling.py").symlink_to("nowhere")
    (folder / ".#locked.py").symlink_to("me@host.1234:1700000000")
    (folder / "linked.py").symlink_to("/etc/hostname")
    os.mkfifo(folder / "pipe.py")
    (folder / "twice.py").write_text(MINE)
    (folder / "twice.ipynb").write_text(notebook(MINE))
