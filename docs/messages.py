"""What catflap says when something is wrong, read from its source: every error with its cause and what to do.

Knows Python's syntax, and no page. A part of a message that is known only when it is said is written as `…`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import product
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "catflap"
ANYTHING = "…"
"""What stands for a part that only the run knows."""
_OR = "\x1f"
"""Between the texts of a name or an expression that may have several."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A class of errors: its name, what its docstring says, its exit code, and whether the same may work later."""

    name: str
    about: str
    exit_code: int
    is_retryable: bool


@dataclass(frozen=True, slots=True, order=True)
class Message:
    """``cannot <what> <where>: <why>; <hint>``, as one place in the source makes it."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class _Class:
    bases: tuple[str, ...]
    about: str
    constants: Mapping[str, object] = field(default_factory=dict)


@cache
def kinds() -> dict[str, Kind]:
    """Every class of errors by its name, CatflapError first."""
    classes = dict(_classes())
    found = {"CatflapError": Kind("CatflapError", "", 1, False)}
    while more := {
        name: _kind(name, one, found[base])
        for name, one in classes.items()
        if name not in found and (base := next((base for base in one.bases if base in found), None)) is not None
    }:
        found |= more
    return found


@cache
def messages() -> list[Message]:
    """Every message of every error that the source raises, sorted."""
    known = kinds()
    found = set[Message]()
    for path in sorted(SOURCE.rglob("*.py")):
        if "why=" not in path.read_text("utf-8"):
            continue
        tree = _tree(path)
        shared = dict(_assigned(tree.body))
        scopes = [one for one in ast.walk(tree) if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef)]
        statements = {id(one): list(_flow(one.body, dict(shared))) for one in scopes}
        for scope in scopes:
            calls = (
                [call for one in scopes for call in _calls_of(scope, statements[id(one)])] if _is_maker(scope) else []
            )
            for statement, names in statements[id(scope)]:
                for filled in calls or [{}]:
                    found |= {one for one in _made_in(statement, names | filled) if one.kind in known}
    return sorted(found)


def _flow(block: Sequence[ast.stmt], names: dict[str, str]) -> Iterator[tuple[ast.AST, dict[str, str]]]:
    """Each simple statement, in order, with the texts that names have there; ``names`` has those of the end, then."""
    for statement in block:
        branches = [*_branches(statement)]
        if not branches:
            yield statement, dict(names)
            names.update(_assigned([statement]))
            continue
        ends = [] if getattr(statement, "orelse", None) else [dict(names)]
        for branch in branches:
            ends.append(end := dict(names))
            yield from _flow(branch, end)
            if isinstance(branch[-1], ast.Raise | ast.Return | ast.Continue):
                ends.pop()
        for name in {name for end in ends for name in end}:
            texts = [text for end in ends if name in end for text in end[name].split(_OR)]
            names[name] = _OR.join(dict.fromkeys(texts))


def _branches(statement: ast.stmt) -> Iterator[list[ast.stmt]]:
    inner = [*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())]
    for one in (statement, *inner):
        for name in ("body", "orelse", "finalbody"):
            if block := getattr(one, name, None):
                yield block


def _is_maker(scope: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether a function ends by making an error, perhaps out of its arguments."""
    return isinstance(scope.body[-1], ast.Return) and any(True for _ in _made_in(scope.body[-1], {}))


def _calls_of(
    maker: ast.FunctionDef | ast.AsyncFunctionDef, statements: Sequence[tuple[ast.AST, dict[str, str]]]
) -> Iterator[dict[str, str]]:
    """The arguments of each call of a function, by the names of its parameters."""
    parameters = [one.arg for one in maker.args.args]
    for statement, names in statements:
        for node in ast.walk(statement):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == maker.name:
                yield dict(zip(parameters, (_text(one, names) for one in node.args), strict=False))


@cache
def said() -> set[str]:
    """Every text in the source, docstrings aside, with `…` for the parts of a formatted one."""
    found = set[str]()
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.Expr):
                continue
            for value in ast.iter_child_nodes(node):
                if isinstance(value, ast.Constant | ast.JoinedStr) and (text := _text(value, {})) != ANYTHING:
                    found.update(text.split(_OR))
    return found


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _classes() -> Iterator[tuple[str, _Class]]:
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.ClassDef):
                bases = tuple(base.id for base in node.bases if isinstance(base, ast.Name))
                about = " ".join((ast.get_docstring(node) or "").split())
                yield node.name, _Class(bases, about, dict(_constants(node)))


def _constants(node: ast.ClassDef) -> Iterator[tuple[str, object]]:
    for statement in node.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant):
            for target in statement.targets:
                if isinstance(target, ast.Name):
                    yield target.id, statement.value.value


def _kind(name: str, one: _Class, base: Kind) -> Kind:
    code = one.constants.get("exit_code", base.exit_code)
    assert isinstance(code, int)
    return Kind(name, one.about, code, bool(one.constants.get("retryable", base.is_retryable)))


def _assigned(block: Sequence[ast.stmt]) -> Iterator[tuple[str, str]]:
    """Name and text of each assignment in a block."""
    for node in block:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(node, ast.Assign | ast.AnnAssign) and target is not None and value is not None:
            yield from ((name, _text(one, {})) for name, one in _pairs(target, value))


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        for one, other in zip(target.elts, value.elts, strict=True):
            yield from _pairs(one, other)


def _made_in(statement: ast.AST, names: Mapping[str, str]) -> Iterator[Message]:
    """The messages of the errors that are made there."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            parts = {one.arg: _text(one.value, names).split(_OR) for one in node.keywords}
            if "why" in parts and len(node.args) == 1:
                whats, wheres = _text(node.args[0], names).split(_OR), parts.get("where", [""])
                whys, hints = [why for why in parts["why"] if why], parts.get("hint", [""])
                # As many causes as there are hints: they were chosen together.
                reasons = zip(whys, hints, strict=True) if len(whys) == len(hints) else product(whys, hints)
                for what, where, (why, hint) in product(whats, wheres, reasons):
                    place, advice = f" {where}" if where else "", f"; {hint}" if hint else ""
                    yield Message(node.func.id, f"cannot {what}{place}: {why}{advice}")


def _text(node: ast.expr | ast.AST, names: Mapping[str, str]) -> str:
    """What an expression says, as far as the source tells."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return _OR.join(map("".join, product(*(_text(value, names).split(_OR) for value in values))))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _OR.join(map("".join, product(*(_text(one, names).split(_OR) for one in (left, right)))))
        case ast.IfExp(body=one, orelse=other):
            return _OR.join((_text(one, names), _text(other, names)))
        case ast.Dict(values=values):
            return _OR.join(dict.fromkeys(_text(value, names) for value in values)) or ANYTHING
        case ast.Name(id=name) | ast.Subscript(value=ast.Name(id=name)):
            return names.get(name, ANYTHING)
        case ast.FormattedValue(value=ast.Name(id=name)) if name.isupper():
            return names.get(name, ANYTHING)
        case _:
            return ANYTHING
