"""Extracts a submission from a notebook or script: `unlearning` and what it needs, no driver."""

from __future__ import annotations

import ast
import builtins
import symtable
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby

from harness.branches import prune
from harness.notebook import CELL, Unclear, code_cells, lines_of

MARK = "# submission"
_DEFINITION = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


@dataclass(frozen=True)
class _Statement:
    """A statement at the top level of a cell: its lines, and the names it binds and needs.

    `changes` are the names whose attributes or items it sets, and `calls` those it calls a method
    of: `layers.append` may change what `layers` is.
    """

    cell: int
    node: ast.stmt
    first: int
    text: str
    binds: frozenset[str]
    needs: frozenset[str]
    changes: frozenset[str]
    calls: frozenset[str]

    @property
    def always(self) -> bool:
        """Whether it is an import that may affect any other statement."""
        future = isinstance(self.node, ast.ImportFrom) and self.node.module == "__future__"
        return future or "*" in self.binds

    @property
    def makes_unlearning(self) -> bool:
        return "unlearning" in self.binds | self.changes

    def makes(self, modules: frozenset[str]) -> frozenset[str]:
        """Names that it binds or changes.

        Calling a method of a module (`torch.manual_seed`) does not change what the module is. Nor
        does a driver, or a function that nobody need call, which sets an attribute of one.
        """
        elsewhere = isinstance(self.node, _DEFINITION) or "unlearning" in self.needs
        changes = self.changes - modules if elsewhere else self.changes
        return self.binds | changes | (self.calls - modules)


def from_script(content: bytes) -> bytes:
    """The Python source of a script's submission: all of the script, or the part that counts.

    Files written for the challenge may go on to load the hidden data and 512 checkpoints, import
    modules of their own for that, or refuse a machine without a GPU. From such a file we take the
    definition of `unlearning` and what it needs, as from a notebook. The other lines become blank,
    so that the lines that are left keep their numbers.

    Parameters
    ----------
    content : bytes
        A `.py` file. It comes back unchanged if it cannot be parsed, or if it is unclear what
        `unlearning` needs.
    """
    try:
        text = content.decode("utf-8-sig")
        statements = _settled(_statements(0, text))
        taken = _needed(statements) if _drives_itself(statements) else []
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return content
    binds = frozenset[str]().union(*(s.binds for s in taken))
    needs = frozenset[str]().union(*(s.needs for s in taken))
    if not taken or needs & _bound_within(statements) or (needs - binds and "*" not in binds):
        return content
    return (_in_place(taken) + "\n").encode()


def from_notebook(content: bytes) -> bytes:
    """The Python source of a notebook's submission.

    Cells whose first line is `# submission` are taken as they are. If there are none, we take the
    definition of `unlearning`, the statements that bind the names it needs, and what those need in
    turn. A driver that loads and zips checkpoints is not among them.

    Parameters
    ----------
    content : bytes
        An `.ipynb` file (nbformat 4).

    Raises
    ------
    Unclear
        If it is not a notebook, or if it is unclear which part is the submission.
    """
    code = list(code_cells(content))
    marked = [(i, text) for i, text in code if text.lstrip().lower().startswith(MARK)]
    if marked:
        return _join(dict(marked))
    try:
        statements = _settled(s for i, text in code for s in _statements(i, text))
    except Unclear:
        raise
    except (ValueError, RecursionError, MemoryError) as error:
        raise Unclear(
            f"a cell cannot be read ({type(error).__name__}: {error}); have the submission's "
            f"cells begin with the line `{MARK}`."
        ) from None
    if not any(s.makes_unlearning for s in statements):
        raise Unclear(
            "no cell defines a function `unlearning` at its top level; define it there, or "
            f"have the submission's cells begin with the line `{MARK}`."
        )
    cells = groupby(_needed(statements), lambda statement: statement.cell)
    return _join({cell: _in_place(list(taken)) for cell, taken in cells})


def _statements(cell: int, text: str) -> Iterator[_Statement]:
    first = 0
    try:
        tree = ast.parse(text)
        lines = lines_of(text)
        for node in tree.body:
            decorators = getattr(node, "decorator_list", [])
            first = min([node.lineno, *(d.lineno for d in decorators)]) - 1
            source = "\n".join(lines[first : node.end_lineno])
            yield _Statement(cell, node, first, source, *_names(source), _called(node))
            first = 0
    except SyntaxError as error:  # from parser or symbol table, which counts from `first`
        where = f", line {first + error.lineno}" if error.lineno else ""
        raise Unclear(
            f"cell {cell}{where}: {error.msg}. If the cell is not part of the "
            f"submission, have the cells that are begin with the line `{MARK}`."
        ) from None


def _settled(statements: Iterable[_Statement]) -> list[_Statement]:
    """The statements; of an `if` on a constant, only what is executed binds and needs names.

    Many files begin with `TEST = False`, and have definitions and drivers for both cases, or
    branches of `unlearning` that use what only a driver of theirs defines.
    """
    statements = list(statements)
    values: dict[str, object] = {}
    for s in statements:
        match s.node:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=value))
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.Constant(value=value))
            ):
                values[name] = value
    times = Counter(name for s in statements for name in s.binds)
    for name in _bound_within(statements) | {name for name, count in times.items() if count > 1}:
        values.pop(name, None)
    return [_decided(s, values) for s in statements]


def _decided(statement: _Statement, values: dict[str, object]) -> _Statement:
    if not prune(statement.node, values):
        return statement
    binds, needs, changes = _names(ast.unparse(statement.node))
    calls = _called(statement.node)
    return replace(statement, binds=binds, needs=needs, changes=changes, calls=calls)


def _bound_within(statements: list[_Statement]) -> set[str]:
    """Names that functions bind by `global`; whether they do depends on who calls them."""
    return {
        name
        for s in statements
        for node in ast.walk(s.node)
        if isinstance(node, ast.Global)
        for name in node.names
    }


def _drives_itself(statements: list[_Statement]) -> bool:
    """Whether a script calls `unlearning` or a notebook, or may refuse to be imported."""
    executes = ast.Expr | ast.Assign | ast.If | ast.For | ast.While | ast.With
    calls = {"unlearning", "get_ipython"}  # the latter in files exported from a notebook
    for statement in statements:  # in the file's order: a `main` that calls it is defined after it
        if isinstance(statement.node, _DEFINITION) and statement.needs & calls:
            calls |= statement.binds
    return any(
        (statement.needs & calls and not statement.makes_unlearning)
        or any(isinstance(inner, ast.Raise) for inner in ast.walk(statement.node))
        for statement in statements
        if isinstance(statement.node, executes)
    )


def _names(source: str) -> tuple[frozenset[str], frozenset[str], frozenset[str]]:
    """Global names that a statement binds, that it needs, and whose content it changes."""
    table = symtable.symtable(source, "cell", "exec")
    binds = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned()}
    binds |= {symbol.get_name() for symbol in table.get_symbols() if symbol.is_imported()}
    needs = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced()}
    todo = table.get_children()
    while todo:
        inner = todo.pop()
        todo += inner.get_children()
        needs |= {s.get_name() for s in inner.get_symbols() if s.is_global() and s.is_referenced()}
    changes = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.alias) and node.name == "*":
            binds.add("*")
        # `settings["epochs"] = 3` and `settings.epochs = 3` are part of what `settings` is.
        if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store):
            while isinstance(node, ast.Subscript | ast.Attribute):
                node = node.value
            if isinstance(node, ast.Name):
                changes.add(node.id)
    return frozenset(binds), frozenset(needs - set(vars(builtins))), frozenset(changes)


def _called(node: ast.AST) -> frozenset[str]:
    """Names whose methods a statement calls when it is executed."""
    if isinstance(node, _DEFINITION | ast.Lambda):
        return frozenset()
    method = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    owner = node.func.value if method else None  # type: ignore[attr-defined]
    while isinstance(owner, ast.Subscript | ast.Attribute):
        owner = owner.value
    own = {owner.id} if isinstance(owner, ast.Name) else set[str]()
    return frozenset(own.union(*map(_called, ast.iter_child_nodes(node))))


def _needed(statements: list[_Statement]) -> list[_Statement]:
    """The last `unlearning`, and all that it needs, in the order of the notebook."""
    versions = [i for i, s in enumerate(statements) if getattr(s.node, "name", "") == "unlearning"]
    first = max(versions, default=0)
    earlier = {i for i, s in enumerate(statements[:first]) if s.binds | s.changes == {"unlearning"}}
    statements = [s for i, s in enumerate(statements) if i not in earlier]
    imports = (s for s in statements if isinstance(s.node, ast.Import | ast.ImportFrom))
    modules = frozenset[str]().union(*(s.binds for s in imports))
    making: dict[str, list[int]] = {}  # the statements that bind or change a name
    for i, s in enumerate(statements):
        for name in s.makes(modules):
            making.setdefault(name, []).append(i)
    if "unlearning" not in making:
        return []
    wanted = {"unlearning"}
    todo = [*making["unlearning"], *(i for i, s in enumerate(statements) if s.always)]
    taken = set[int]()
    while todo:
        if (at := todo.pop()) in taken:
            continue
        taken.add(at)
        statement = statements[at]
        if "unlearning" in statement.needs and not statement.makes_unlearning:
            names = ", ".join(sorted(statement.makes(modules) & wanted))
            raise Unclear(
                f"cell {statement.cell} calls `unlearning` and binds a name that it needs "
                f"({names}), so it is unclear whether it belongs to the submission; have "
                f"the cells that do begin with the line `{MARK}`."
            )
        new = statement.needs - wanted
        wanted |= new
        todo += [i for name in new for i in making.get(name, ())]
    return [statements[i] for i in sorted(taken)]


def _in_place(statements: list[_Statement]) -> str:
    """Their lines where they were in their cell; the lines of others are blank."""
    lines: list[str] = []
    for statement in statements:
        own = lines_of(statement.text)
        lines += [""] * (statement.first + len(own) - len(lines))
        lines[statement.first : statement.first + len(own)] = own
    return "\n".join(lines)


def _join(cells: dict[int, str]) -> bytes:
    source = "".join(f"{CELL.format(cell)}\n{text}\n" for cell, text in cells.items())
    return source.encode(errors="replace")
