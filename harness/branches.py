"""Finds the branches that an `if` on constants never executes, such as those for debugging."""

from __future__ import annotations

import ast


def prune(statement: ast.stmt, values: dict[str, object]) -> bool:
    """Empty those branches; whether there were any.

    Parameters
    ----------
    statement : ast.stmt
        Changed in place. The tests stay, since they are executed.
    values : dict of str to object
        The constants that have names.
    """
    pruning = _Pruning(values)
    pruning.visit(statement)
    return pruning.found


class _Pruning(ast.NodeTransformer):
    def __init__(self, values: dict[str, object]) -> None:
        self.found = False
        self._values = values

    def visit_If(self, node: ast.If) -> ast.If:
        self.generic_visit(node)
        outcome = self._outcome(node.test)
        if outcome is None:
            return node
        self.found = True
        if outcome:
            node.orelse = []
        else:
            node.body = [ast.Pass()]
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        """In a function, a name may be its own."""
        own = {
            getattr(n, "arg", getattr(n, "id", ""))
            for n in ast.walk(node)
            if isinstance(n, ast.arg) or (isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
        }
        outer = self._values
        self._values = {name: value for name, value in outer.items() if name not in own}
        self.generic_visit(node)
        self._values = outer
        return node

    def _outcome(self, test: ast.expr) -> bool | None:
        """Whether the test is true, if that is known."""
        match test:
            case ast.Constant(value=value):
                return bool(value)
            case ast.Name(id=name) if name in self._values:
                return bool(self._values[name])
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                known = self._outcome(operand)
                return None if known is None else not known
            case ast.BoolOp(op=op, values=parts):
                decides = isinstance(op, ast.Or)  # one such part is enough
                known_parts = [self._outcome(part) for part in parts]
                if decides in known_parts:
                    return decides
                return None if None in known_parts else not decides
        return None
