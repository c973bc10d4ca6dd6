"""The imports of a piece of Python code, found without running it."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from ipywarmup.sources.installed import find as find_installed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

RELATIVE = "relative"
WITHIN = "imported within a function, when that is called"
FUTURE = "no import, but a switch of the compiler"

_GUARDS = {"ImportError", "ModuleNotFoundError", "Exception", "BaseException"}
# A backslash before anything but what ends a string, a line or a name of a character,
# and a number that runs into a keyword: those the parser warns of.
_WARNED_OF = re.compile(
    r"""(\\[\\"'\r\n]|\\N\{)|\\|\b(\d+)(?=(?:if|else|or|and|in|is|for|not)\b)"""
)


@dataclass(frozen=True)
class Import:
    """
    A module that some code imports.

    Parameters
    ----------
    module : str
        Absolute dotted name; as it was written, where it cannot be imported.
    line : int
        Where, counted from 1; 0 if it was not in a line of code.
    optional : bool
        Whether the code can do without it: the import is guarded against its failure,
        or stands under a condition.
    reason : str or None
        Why the code alone already says that it should not be imported beforehand.
    cell : int or None
        In which cell, counted from 1, if it was in a notebook.
    column : int
        Where its statement begins, plus the number of names before it in that.
    """

    module: str
    line: int
    optional: bool = False
    reason: str | None = None
    cell: int | None = None
    column: int = field(default=0, compare=False)


def parse_code(code: str) -> ast.Module:
    """
    Parse code without a word about its style.

    `ast.parse` warns of what it finds odd. To silence it would mean to change the
    warnings filters of every thread; instead the oddities are taken out, which
    changes nothing but the content of strings.

    Raises
    ------
    SyntaxError, ValueError, RecursionError, MemoryError
        As `ast.parse` does.
    """
    return ast.parse(_WARNED_OF.sub(_without_oddity, code))


def _without_oddity(match: re.Match[str]) -> str:
    if match[2] is not None:
        return f"{match[2]} "
    return match[1] or "x"


def collect(
    tree: ast.Module,
    find: Callable[[str], object | None] = find_installed,
    cell: int | None = None,
) -> list[Import]:
    """
    Collect the imports of some code.

    What runs when the code runs is taken: the bodies of classes, ``with`` blocks and
    loops, both ways of a condition, the handlers of a ``try`` if something that it
    imports is not there. What is imported within a function is named, but not taken:
    who wrote it there wanted it late. ``if TYPE_CHECKING:`` is passed over.

    ``from a import b`` imports ``a.b`` if that is a module. Of a name that cannot be
    found, but whose parent can, the parent is taken: a package may make modules when
    it runs.

    Parameters
    ----------
    tree : ast.Module
        What `parse_code` returns.
    find : callable
        Tells of a dotted name, without importing it, whether there is such a module, by
        returning None if there is not.
    cell : int, optional
        What the imports are marked with.

    Returns
    -------
    list of Import
        In the order of the code.
    """
    return list(_Walk(find, cell).statements(tree.body, _Context()))


class _Context(NamedTuple):
    """What is around a statement."""

    optional: bool = False
    reason: str | None = None


class _Walk:
    def __init__(self, find: Callable[[str], object | None], cell: int | None) -> None:
        self._find = find
        self._cell = cell

    def statements(
        self, nodes: Iterable[ast.stmt], context: _Context
    ) -> Iterator[Import]:
        for node in nodes:
            if isinstance(node, ast.Import | ast.ImportFrom):
                for number, (module, reason) in enumerate(self._modules(node)):
                    several = isinstance(node, ast.Import)
                    yield Import(
                        module,
                        node.lineno,
                        context.optional,
                        reason or context.reason,
                        self._cell,
                        node.col_offset + (number if several else 0),
                    )
            elif isinstance(node, ast.Try | ast.TryStar):
                yield from self._try(node, context)
            else:
                for block, inner in _blocks(node, context):
                    yield from self.statements(block, inner)

    def _try(self, node: ast.Try | ast.TryStar, context: _Context) -> Iterator[Import]:
        guarded = any(_is_guard(handler.type) for handler in node.handlers)
        conditional = context._replace(optional=True)
        inside = conditional if guarded else context
        body = list(self.statements(node.body, inside))
        yield from body
        there = all(self._find(found.module) is not None for found in body)
        # Where the body is known to fail, the handlers are the way, and where it is
        # known not to, they are none.
        if not (guarded and body):
            yield from self._handlers(node, conditional)
        elif not there:
            yield from self._handlers(node, context)
        yield from self.statements(node.orelse, inside)
        yield from self.statements(node.finalbody, context)

    def _handlers(
        self, node: ast.Try | ast.TryStar, context: _Context
    ) -> Iterator[Import]:
        for handler in node.handlers:
            yield from self.statements(handler.body, context)

    def _modules(
        self, node: ast.Import | ast.ImportFrom
    ) -> Iterator[tuple[str, str | None]]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield self._nearest_there(alias.name), None
            return
        module = node.module or ""
        if node.level:
            dots = "." * node.level
            for name in [module] if module else [alias.name for alias in node.names]:
                yield f"{dots}{name}", RELATIVE
        elif module == "__future__":
            yield module, FUTURE
        else:
            there = self._nearest_there(module)
            names = [f"{module}.{alias.name}" for alias in node.names]
            found = [name for name in names if there == module and self._find(name)]
            if len(found) < len(names):
                yield there, None
            for name in found:
                yield name, None

    def _nearest_there(self, module: str) -> str:
        name = module
        while name and self._find(name) is None:
            name = name.rpartition(".")[0]
        return name or module


def _blocks(node: ast.stmt, context: _Context) -> list[tuple[list[ast.stmt], _Context]]:
    """Return the blocks of a statement that run, or may run, with it."""
    conditional = context._replace(optional=True)
    blocks: list[tuple[list[ast.stmt], _Context]] = []
    match node:
        case ast.ClassDef():
            blocks = [(node.body, context)]
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            blocks = [(node.body, context._replace(reason=context.reason or WITHIN))]
        case ast.With() | ast.AsyncWith():
            guarded = any(_suppresses(item) for item in node.items)
            blocks = [(node.body, conditional if guarded else context)]
        case ast.If():
            blocks = [(block, conditional) for block in _ways(node)]
        case ast.For() | ast.AsyncFor() | ast.While():
            blocks = [(block, conditional) for block in (node.body, node.orelse)]
        case ast.Match():
            blocks = [(case.body, conditional) for case in node.cases]
    return blocks


def _ways(node: ast.If) -> list[list[ast.stmt]]:
    """Return the branches that may run."""
    test, ways = node.test, [node.body, node.orelse]
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test, ways = test.operand, ways[::-1]
    if _name(test) == "TYPE_CHECKING":
        return ways[1:]
    if isinstance(test, ast.Constant):
        return ways[:1] if test.value else ways[1:]
    return ways


def _name(node: ast.expr) -> str | None:
    """Return the name of something, less where it is from."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else None


def _is_guard(caught: ast.expr | None) -> bool:
    """Whether a handler catches that a module is not there."""
    if isinstance(caught, ast.Tuple):
        return any(_is_guard(kind) for kind in caught.elts)
    return caught is None or _name(caught) in _GUARDS


def _suppresses(item: ast.withitem) -> bool:
    call = item.context_expr
    return (
        isinstance(call, ast.Call)
        and _name(call.func) == "suppress"
        and any(_is_guard(kind) for kind in call.args)
    )
