"""What may be changed in a module to see whether a test notices: one operator, constant, statement or argument at a time."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE,), ast.LtE: (ast.Lt,), ast.Gt: (ast.GtE,), ast.GtE: (ast.Gt,), ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,), ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr, ast.LShift: ast.RShift, ast.RShift: ast.LShift,
}  # fmt: skip
_PAIRS = ("any all", "min max", "startswith endswith", "removeprefix removesuffix", "partition rpartition")
_TWINS = {a: b for pair in _PAIRS for a, b in (pair.split(), pair.split()[::-1])}
_TRIMS = ("lower", "strip", "rstrip", "lstrip", "casefold")


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change: what takes the place of a node, which stands in a field of its parent, at an index if that is a list."""

    path: str
    scope: str
    lines: range
    parent: ast.AST
    place: tuple[str, int | None]
    old: ast.AST
    new: ast.AST

    @property
    def change(self) -> str:
        """What is changed into what."""
        return " -> ".join(" ".join(ast.unparse(node).split()) for node in (self.old, self.new))

    @property
    def name(self) -> str:
        """The module, the function and the change: what stays when lines move."""
        return f"{self.path} {self.scope or 'module'}: {self.change}"

    def __str__(self) -> str:
        return f"{self.path}:{getattr(self.old, 'lineno', self.lines.start)}  {self.change}  ({self.scope or 'module'})"

    def apply(self) -> None:
        """Change the tree."""
        name, index = self.place
        ast.copy_location(self.new, self.old)
        if index is None:
            setattr(self.parent, name, self.new)
        else:
            getattr(self.parent, name)[index] = self.new
        ast.fix_missing_locations(self.new)


def mutants(path: str, tree: ast.Module) -> list[Mutant]:
    """All changes of a module."""
    return list(_below(path, "", range(0), tree))


def _below(path: str, scope: str, lines: range, node: ast.AST) -> Iterator[Mutant]:
    for name, value in ast.iter_fields(node):
        for index, child in enumerate(value if isinstance(value, list) else [value]):
            if not isinstance(child, ast.AST) or name in _unread(node) or _is_for_people(child):
                continue
            inner, reach = scope, lines
            if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                inner = f"{scope}.{child.name}".lstrip(".")
            if isinstance(child, ast.stmt):
                reach = _own_lines(child)
            place = (name, index if isinstance(value, list) else None)
            for new in (*_changes(child), *_removals(node, name, child)):
                own = getattr(child, "lineno", reach.start)
                yield Mutant(path, inner, range(min(own, reach.start), reach.stop), node, place, child, new)
            yield from _below(path, inner, reach, child)


def _unread(node: ast.AST) -> tuple[str, ...]:
    """The fields that only people and type checkers read, or whose change would be none: one more letter to strip."""
    match node:
        case ast.Call(ast.Attribute(_, name)) if name in _TRIMS:
            return ("args",)
    return ("annotation", "returns", "format_spec", "type_params")


def _own_lines(statement: ast.stmt) -> range:
    """The lines of a statement without those of the statements in it."""
    first, last = statement.lineno, statement.end_lineno or statement.lineno
    inside = [node.lineno for node in ast.walk(statement) if isinstance(node, ast.stmt) and node is not statement]
    return range(first, max(first + 1, min(inside, default=last + 1)))


def _is_for_people(node: ast.AST) -> bool:
    """Whether a node is prose (it has a space), a log's line, a docstring, or says how a dataclass is made."""
    match node:
        case ast.keyword("frozen"):
            return True
        case ast.Expr(ast.Constant()) | ast.Expr(ast.Call(ast.Attribute(ast.Name("log")))):
            return True
        case ast.Constant(str(text)):
            return " " in text
        case ast.JoinedStr(values):
            return any(isinstance(part, ast.Constant) and " " in str(part.value) for part in values)
        case ast.Call(ast.Name("dataclass" | "TypeVar" | "ParamSpec")) | ast.If(ast.Name("TYPE_CHECKING")):
            return True
    return False


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    """What may take a node's place."""
    match node:
        case ast.Compare(left, ops, others):
            for at, op in enumerate(ops):
                for twin in _COMPARISONS[type(op)]:
                    yield ast.Compare(left, [*ops[:at], twin(), *ops[at + 1 :]], others)
        case ast.BoolOp(op, values):
            yield ast.BoolOp(ast.Or() if isinstance(op, ast.And) else ast.And(), values)
            for at in range(len(values)):
                rest = values[:at] + values[at + 1 :]
                yield rest[0] if len(rest) == 1 else ast.BoolOp(op, rest)
        case ast.UnaryOp(ast.Not(), operand):
            yield operand
        case ast.Constant(bool(value)):
            yield ast.Constant(not value)
        case ast.Constant(int(value) | float(value)):
            yield ast.Constant(value + 1)
        case ast.Constant(str(value)):
            yield ast.Constant(value + "X")
        case ast.Constant(bytes(value)):
            yield ast.Constant(value + b"X")
        case ast.BinOp(left, op, right) if type(op) in _ARITHMETIC:
            yield ast.BinOp(left, _ARITHMETIC[type(op)](), right)
        case ast.AugAssign(target, op, value) if type(op) in _ARITHMETIC:
            yield ast.AugAssign(target, _ARITHMETIC[type(op)](), value)
        case ast.Call(ast.Attribute(value, name)) if name in _TRIMS:
            yield value
        case ast.Call(ast.Name(name), args, keywords) if name in _TWINS:
            yield ast.Call(ast.Name(_TWINS[name], ast.Load()), args, keywords)
        case ast.Call(ast.Attribute(value, name), args, keywords) if name in _TWINS:
            yield ast.Call(ast.Attribute(value, _TWINS[name], ast.Load()), args, keywords)
        case ast.Call(function, [first, second, *rest], keywords) if not _takes_any_order(function, first, second):
            yield ast.Call(function, [second, first, *rest], keywords)


def _takes_any_order(function: ast.expr, first: ast.expr, second: ast.expr) -> bool:
    return ast.dump(first) == ast.dump(second) or ast.unparse(function) in ("hmac.compare_digest", "max", "min")


def _removals(parent: ast.AST, name: str, node: ast.AST) -> Iterator[ast.AST]:
    """What is left when a statement is removed, or a condition turned round."""
    match node:
        case ast.Return(None | ast.Constant(None)) if isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef):
            return  # the end of the function is the same
        case ast.Return() if isinstance(parent, ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.Return(ast.Constant(None))
        case ast.Return() | ast.Raise() | ast.Expr() | ast.AugAssign() | ast.Break() | ast.Continue() | ast.Delete():
            yield ast.Pass()
        case ast.Assign([ast.Attribute() | ast.Subscript()]):
            yield ast.Pass()
    if not isinstance(node, ast.expr) or isinstance(node, ast.Compare | ast.BoolOp | ast.UnaryOp | ast.Constant):
        return
    if name in ("test", "guard") or (name == "ifs" and isinstance(parent, ast.comprehension)):
        yield ast.UnaryOp(ast.Not(), node)
