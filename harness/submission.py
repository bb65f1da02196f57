"""Reading one submitted file and checking, without executing it, what can be checked so."""

from __future__ import annotations

import ast
import hashlib
import sys
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from harness import extraction

SUFFIXES = (".py", ".ipynb")
LARGEST = {".py": 1 << 20, ".ipynb": 1 << 25}  # bytes; a notebook's cells have outputs too
PARAMETERS = 4
# What a further parameter may be called, in any case: many a driver passes it.
DEVICE = "device"
# What a file may define, and what it is called with.
FUNCTIONS = {
    "unlearning": "net, retain, forget, val",
    "identify": "net, train, failures, val",
    "repair": "net, train, failures, val",
}
VERDICTS = (
    "invalid_submission",
    "crashed",
    "timeout",
    "out_of_memory",
    "invalid_weights",
    "invalid_scores",
    "sandbox_violation",
)


class Verdict(Exception):
    """A fault of the submission: its row gets `status`, its author reads `message`.

    Attributes
    ----------
    status : str
        One of `VERDICTS`.
    message : str
        What to mend, with the participant's own traceback where there is one.
    output : str
        What the submission printed, as far as it was kept.
    """

    def __init__(self, status: str, message: str, output: str = "") -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message
        self.output = output

    def __reduce__(self) -> tuple:
        return Verdict, (self.status, self.message, self.output)


@dataclass(frozen=True)
class Submission:
    """A file that can be run.

    Attributes
    ----------
    name : str
        The file's stem, which names its row on the leaderboard.
    path : Path
        Where it was read.
    source : bytes
        The Python in it; what is run is this, whatever becomes of the file.
    sha256 : str
        Of `source`, in hexadecimal.
    imports : tuple of str
        Modules outside the standard library that its import statements name.
    function : str
        Which of `FUNCTIONS` is called.
    """

    name: str
    path: Path
    source: bytes
    sha256: str
    imports: tuple[str, ...]
    function: str = "unlearning"


def read(path: Path, function: str = "unlearning") -> Submission:
    """Read a submission, of which this function is to be called.

    Raises
    ------
    FileNotFoundError
        If there is no file at `path`.
    Verdict
        `invalid_submission`, if the file cannot be one; the message says what to mend.
    """
    source = _source(path)
    tree = _parse(source, path.name)
    _check_signature(tree, function)
    digest = hashlib.sha256(source).hexdigest()
    return Submission(path.stem, path, source, digest, _third_party_imports(tree), function)


def find(folder: Path) -> list[Path]:
    """The submissions in a folder, by name."""
    return sorted(path for path in folder.glob("*") if path.suffix in SUFFIXES)


def _source(path: Path) -> bytes:
    if not path.is_file():
        what = "is not a file" if path.exists() else "does not exist"
        others = [other.name for other in find(path.parent)]
        nearest = "".join(f"; did you mean {n}?" for n in get_close_matches(path.name, others, 1))
        raise FileNotFoundError(f"{path} {what}; a submission is one .py or .ipynb file{nearest}")
    if path.suffix not in SUFFIXES:
        raise _invalid(f"{path.name}: a submission's name ends in {' or '.join(SUFFIXES)}.")
    if (size := path.stat().st_size) > (largest := LARGEST[path.suffix]):
        raise _invalid(
            f"{path.name} has {size:,} bytes; at most {largest:,} are taken. "
            "Weights and data cannot be submitted."
        )
    content = path.read_bytes()
    if path.suffix == ".py":
        return extraction.from_script(content)
    try:
        return extraction.from_notebook(content)
    except extraction.Unclear as error:
        raise _invalid(f"{path.name}: {error}") from None


def _parse(source: bytes, filename: str) -> ast.Module:
    try:
        source.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _invalid(
            f"{filename} is not UTF-8 (byte {error.start}: {error.reason}); save it as UTF-8."
        ) from None
    try:
        return ast.parse(source, filename)
    except SyntaxError as error:
        line = (error.text or "").rstrip()
        raise _invalid(
            f"{filename}, line {error.lineno}: {type(error).__name__}: {error.msg}\n    {line}"
        ) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise _invalid(f"{filename} cannot be parsed: {error}") from None


def _check_signature(tree: ast.Module, function: str) -> None:
    """A plain `def` is checked here; one bound in another way, when it is called."""
    definitions = [
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == function
    ]
    if definitions:
        _check_parameters(definitions[-1])
    elif not any({function, "*"} & _bound_names(node) for node in tree.body):
        inner = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == function]
        where = f" (that on line {inner[0].lineno} is within something else)" if inner else ""
        raise _invalid(
            f"the file defines no function `{function}`{where}; write "
            f"`def {function}({FUNCTIONS[function]}):` at its top level."
        )


def _check_parameters(function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
    if isinstance(function, ast.AsyncFunctionDef):
        raise _invalid(f"`{function.name}` is `async`; it has to be an ordinary function.")
    arguments = function.args
    positional = [argument.arg for argument in (*arguments.posonlyargs, *arguments.args)]
    required = len(positional) - len(arguments.defaults)
    unfilled = positional[PARAMETERS:required] + [
        a.arg for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is None
    ]
    too_few = len(positional) < PARAMETERS and arguments.vararg is None
    if too_few or {name.lower() for name in unfilled} - {DEVICE}:
        remedy = "It has to take all four" if too_few else "More parameters need defaults"
        raise _invalid(
            f"`{function.name}` on line {function.lineno} cannot be called with four positional "
            f"arguments ({FUNCTIONS[function.name]}); it takes "
            f"({ast.unparse(arguments)}). {remedy}."
        )


def _bound_names(node: ast.stmt) -> set[str]:
    """Names that a top-level statement, or one nested in it, may bind; "*" is any name."""
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return {node.name}  # what is within it is its own
    names: set[str] = set()
    for child in ast.walk(node):
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            names.add(child.id)
        elif isinstance(child, ast.alias):
            names.add(child.asname or child.name)
        elif isinstance(child, ast.FunctionDef):
            names.add(child.name)
    return names


def _third_party_imports(tree: ast.Module) -> tuple[str, ...]:
    modules: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module)
    return tuple(sorted(m for m in modules if m.split(".")[0] not in sys.stdlib_module_names))


def _invalid(message: str) -> Verdict:
    return Verdict("invalid_submission", message)
