"""What a file's own driver passes to `unlearning`: constants are taken over, the rest is told."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

PASSED = ("net", "retain", "forget", "val")
# The one name that a fifth parameter may have without a default, in any case; many drivers pass it.
DEVICE = "device"


class Note(NamedTuple):
    """Something that the author should know about their file.

    Attributes
    ----------
    name : str
        Its flag's, if it is a warning.
    text : str
    warns : bool
    """

    name: str
    text: str
    warns: bool = True


def follow(
    source: ast.Module, written: Sequence[ast.Module]
) -> tuple[dict[str, object], list[Note]]:
    """What is passed to `unlearning` beside its four arguments, and what the author should know.

    Parameters
    ----------
    source : ast.Module
        What is executed, without the driver.
    written : list of ast.Module
        All that the author wrote.

    Returns
    -------
    passed : dict of str to object
        The constants that every call of the driver passes.
    notes : list of Note
    """
    definitions = [node for node in source.body if _is_definition(node)]
    if not definitions:
        return {}, []
    function: ast.FunctionDef = definitions[-1]  # type: ignore[assignment]
    notes = _order(function)
    calls = [_further(call, function) for call in _calls(written)]
    if not any(calls):
        return {}, notes
    constants = _constants(written)
    passed: dict[str, object] = {}
    left: dict[str, str] = {}
    for name, value in {k: v for call in calls for k, v in call.items()}.items():
        said = {ast.dump(call[name]) if name in call else "" for call in calls}
        constant = _constant(value, constants)
        if len(said) == 1 and constant is not None:
            passed[name] = constant.value
        else:
            left[name] = ast.unparse(value)
    if passed:
        text = f"the file's own driver passes {_listed(passed)}, and so does the harness"
        notes.append(Note("driver", text, warns=False))
    if left:
        text = ", ".join(f"{name}={value}" for name, value in left.items())
        text = f"The file's own driver passes {text}. The harness passes only constants that all "
        text += "calls share, so write it into `unlearning`."
        notes.append(Note("driver_settings", text))
    return passed, notes


def lines(passed: dict[str, object]) -> str:
    """What is added to the source, so that `unlearning` is given these too."""
    if not passed:
        return ""
    return (
        "\n# What the driver, which is not executed, passes.\nimport functools\n\n"
        f"unlearning = functools.partial(unlearning, {_listed(passed)})\n"
    )


def _listed(passed: dict[str, object]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in passed.items())


def _order(function: ast.FunctionDef) -> list[Note]:
    """A note, if the parameters are named after loaders that they do not get."""
    names = [a.arg for a in (*function.args.posonlyargs, *function.args.args)][: len(PASSED)]
    swapped = [
        f"`{name}` gets `{gets}`"
        for name, gets in list(zip(names, PASSED, strict=False))[1:]
        if gets not in name.lower() and any(other in name.lower() for other in PASSED[1:])
    ]
    if not swapped:
        return []
    return [
        Note(
            "argument_order",
            f"`unlearning({', '.join(names)})` is called as unlearning({', '.join(PASSED)}), so "
            f"that {' and '.join(swapped)}: change the order of the parameters.",
        )
    ]


def _calls(written: Sequence[ast.Module]) -> Iterator[ast.Call]:
    """The calls of `unlearning` outside its own definitions."""
    todo: list[ast.AST] = list(written)
    while todo:
        node = todo.pop()
        if _is_definition(node):
            continue
        match node:
            case ast.Call(func=ast.Name("unlearning")):
                yield node
        todo += ast.iter_child_nodes(node)


def _further(call: ast.Call, function: ast.FunctionDef) -> dict[str, ast.expr]:
    """What a call passes to parameters after the fourth, by their names."""
    arguments = function.args
    names = [a.arg for a in (*arguments.posonlyargs, *arguments.args)]
    passed: dict[str, ast.expr] = {}
    if not any(isinstance(value, ast.Starred) for value in call.args):
        passed |= dict(zip(names[len(PASSED) :], call.args[len(PASSED) :], strict=False))
    known = {*names[len(PASSED) :], *(a.arg for a in arguments.kwonlyargs)}
    passed |= {k.arg: k.value for k in call.keywords if k.arg in known}
    return {name: value for name, value in passed.items() if name.lower() != DEVICE}


def _constants(written: Sequence[ast.Module]) -> dict[str, ast.Constant]:
    """The constants with a name of their own, which is bound once."""
    nodes = [node for tree in written for node in ast.walk(tree)]
    bound = Counter(n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
    bound.update(n.arg for n in nodes if isinstance(n, ast.arg))
    found = {}
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if bound[name] == 1:
                constant = _constant(value, {})
                if constant is not None:
                    found[name] = constant
    return found


def _constant(value: ast.expr, named: dict[str, ast.Constant]) -> ast.Constant | None:
    """The value as a constant, if it is one or the name of one."""
    if isinstance(value, ast.Name):
        return named.get(value.id)
    try:
        return ast.Constant(ast.literal_eval(value))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return None


def _is_definition(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and node.name == "unlearning"
