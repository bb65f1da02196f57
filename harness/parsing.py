"""Reads a submitted file without executing it, in a process of its own, within limits.

Nobody can foresee the time and memory that Python's parser and compiler take, and some inputs end
the process. Here only that file gets a verdict, and the evaluation goes on.
"""

from __future__ import annotations

import ast
import contextlib
import io
import json
import resource
import sys
import tokenize
from collections.abc import Set
from typing import Any

from harness import driver, extraction
from harness.driver import DEVICE
from harness.notebook import code_cells, lines_of, place

SECONDS, MEMORY = 5, 1 << 29  # of the processor; bytes of address space
PARAMETERS = 4
_SHOWN = 200  # characters of a line


class Unreadable(ValueError):
    """The file cannot be a submission; the message says where and what to mend."""


def main() -> None:
    """Read the file on stdin; write two lines of JSON: its longest line, and what it says."""
    _limit(resource.RLIMIT_AS, MEMORY)
    _limit(resource.RLIMIT_CPU, SECONDS)
    _limit(resource.RLIMIT_CORE, 0)
    suffix, name, function, called_with = json.loads(sys.argv[1])
    content = sys.stdin.buffer.read()
    longest = "" if suffix == ".ipynb" else _longest(content)
    print(json.dumps(longest), flush=True)
    try:
        said = parse(content, suffix, name, function, called_with)
    except (Unreadable, extraction.Unclear) as error:
        said = {"fault": str(error)}
    except Exception as error:  # the parser's own errors differ from one Python to the next
        what = ": ".join(filter(None, (type(error).__name__, str(error))))
        said = {"fault": f"it is too large or nested too deeply to be read{longest}; {what}."}
    print(json.dumps(said))


def parse(
    content: bytes, suffix: str, name: str, function: str, called_with: str
) -> dict[str, Any]:
    """Source, imports and claims of a submission.

    Parameters
    ----------
    content : bytes
    suffix : str
        `.py` or `.ipynb`.
    name : str
        The file's name, for messages.
    function : str
        The function that it must define.
    called_with : str
        The parameters of that function.

    Raises
    ------
    Unreadable, Unclear
        If it cannot be a submission.
    """
    if suffix == ".ipynb":
        source = extraction.from_notebook(content)
    else:
        _check_encoding(content)
        source = extraction.from_script(content)
    _check_encoding(source)
    tree = _compiled(source, name)
    passed, notes = driver.follow(tree, _written(content, suffix))
    _check_signature(tree, function, called_with, set(passed))
    return {
        "source": source.decode() + driver.lines(passed),
        "imports": _third_party(tree),
        "signed": _signed(tree),
        "notes": notes,
        "reads_val": _reads_last(tree, function),
    }


def _written(content: bytes, suffix: str) -> list[ast.Module]:
    """All that the author wrote, as far as it can be parsed."""
    if suffix != ".ipynb":
        return [ast.parse(content)]
    trees = []
    for _, text in code_cells(content):
        with contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            trees.append(ast.parse(text))
    return trees


def _limit(kind: int, value: int) -> None:
    _, hard = resource.getrlimit(kind)
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _longest(content: bytes) -> str:
    lines = content.split(b"\n")
    number, line = max(enumerate(lines, start=1), key=lambda numbered: len(numbered[1]))
    return f" (line {number} is the longest, with {len(line):,} characters)"


def _check_encoding(source: bytes) -> None:
    """Take only UTF-8; another encoding could read one way here and run another way."""
    try:
        source.decode("utf-8")
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        raise Unreadable(
            f"line {line} is not UTF-8 (byte {error.start}: {error.reason}); save it as UTF-8."
        ) from None
    try:
        encoding, lines = tokenize.detect_encoding(io.BytesIO(source).readline)
    except SyntaxError as error:
        raise Unreadable(f"line 1 or 2: {error.msg}; save it as UTF-8.") from None
    if encoding not in ("utf-8", "utf-8-sig"):
        raise Unreadable(
            f"line {len(lines)} says that it is in {encoding}; save it as UTF-8, without that line."
        )
    if b"\0" in source:
        line = source.count(b"\n", 0, source.index(b"\0")) + 1
        raise Unreadable(f"line {line} has null bytes, which Python does not read.")


def _compiled(source: bytes, name: str) -> ast.Module:
    """Its tree, if Python accepts it; the compiler checks more than the parser."""
    try:
        tree = ast.parse(source, name)
        compile(tree, name, "exec", dont_inherit=True)
    except SyntaxError as error:
        python = f"Python {sys.version_info.major}.{sys.version_info.minor} reads submissions here"
        where = place(lines_of(source.decode()), error.lineno or 0)
        raise Unreadable(
            f"{where}: {type(error).__name__}: {error.msg} ({python})\n    {_near(error)}"
        ) from None
    return tree


def _near(error: SyntaxError) -> str:
    """The part of the line near the error."""
    line = (error.text or "").rstrip("\n")
    first = max(0, (error.offset or 1) - _SHOWN // 2) if len(line) > _SHOWN else 0
    last = first + _SHOWN
    return "…" * (first > 0) + line[first:last].rstrip() + "…" * (last < len(line))


def _check_signature(tree: ast.Module, function: str, called_with: str, passed: Set[str]) -> None:
    """Check a plain `def`; a function bound in another way is checked when it is called."""
    definitions = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function
    ]
    if definitions:
        _check_parameters(definitions[-1], called_with, passed)
    elif not any({function, "*"} & _bound_names(node) for node in tree.body):
        inner = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == function]
        where = f" (that on line {inner[0].lineno} is within something else)" if inner else ""
        raise Unreadable(
            f"the file defines no function `{function}`{where}; write "
            f"`def {function}({called_with}):` at its top level."
        )


def _check_parameters(
    function: ast.FunctionDef | ast.AsyncFunctionDef, called_with: str, passed: Set[str]
) -> None:
    if isinstance(function, ast.AsyncFunctionDef):
        raise Unreadable(
            f"line {function.lineno}: `{function.name}` is `async`; write an ordinary function."
        )
    arguments = function.args
    positional = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    required = len(positional) - len(arguments.defaults)
    unfilled = positional[PARAMETERS:required] + [
        a.arg for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is None
    ]
    too_few = len(positional) < PARAMETERS and arguments.vararg is None
    if too_few or {name.lower() for name in set(unfilled) - passed} - {DEVICE}:
        remedy = "It must take all four" if too_few else "More parameters need defaults"
        raise Unreadable(
            f"`{function.name}` on line {function.lineno} cannot be called with four positional "
            f"arguments ({called_with}); it takes "
            f"({', '.join(positional + [a.arg for a in arguments.kwonlyargs])}). {remedy}."
        )


def _reads_last(tree: ast.Module, function: str) -> bool:
    """Whether the function may look at the last of its four arguments."""
    definitions = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == function]
    if not definitions:
        return True
    arguments = definitions[-1].args
    names = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    return len(names) < PARAMETERS or any(
        isinstance(node, ast.Name) and node.id == names[PARAMETERS - 1]
        for node in ast.walk(definitions[-1])
    )


def _bound_names(node: ast.stmt) -> set[str]:
    """Names that a top-level statement, or one nested in it, may bind; "*" is any name."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return {node.name}  # the names within it are its own
    names: set[str] = set()
    for child in ast.walk(node):
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            names.add(child.id)
        elif isinstance(child, ast.alias):
            names.add(child.asname or child.name)
        elif isinstance(child, ast.FunctionDef):
            names.add(child.name)
    return names


def _third_party(tree: ast.Module) -> list[str]:
    """Modules outside the standard library that import statements name."""
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module)
    return sorted(m for m in modules if m.split(".")[0] not in sys.stdlib_module_names)


def _signed(tree: ast.Module) -> bool:
    """Whether the file has the line `SIGNED = True` at its top level."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name("SIGNED")], value=ast.Constant(True)):
                return True
    return False
