"""The import statements of a cell: what each imports, and which names it binds."""

from __future__ import annotations

import ast
import itertools
from typing import TYPE_CHECKING, NamedTuple

from ipywarmup.sources.installed import find as find_installed
from ipywarmup.sources.line import LineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_LONGEST = 60
"""Characters of a statement that an error quotes."""
_ABOVE = 1
"""Lines of the cell above its statements: that of the magic."""


class Statement(NamedTuple):
    """
    A statement of an import cell.

    Parameters
    ----------
    node : ast.stmt
        The statement itself.
    modules : tuple of str
        Absolute dotted names of what it imports, in its order.
    binds : dict of str to frozenset of str
        By name: what a use of it may need the statement for. ``import a.b`` binds
        ``a`` for ``a.b``; any other statement binds a name for itself. The name ``*``
        stands for all that a module has.
    """

    node: ast.stmt
    modules: tuple[str, ...]
    binds: dict[str, frozenset[str]]


def parse_cell(
    cell: str, find: Callable[[str], object | None] = find_installed
) -> list[Statement]:
    """
    Parse a cell that holds import statements, and nothing else.

    Imports within ``try`` and ``except`` are import statements, too, and there
    constants may be assigned.

    Parameters
    ----------
    cell : str
        Python code.
    find : callable
        Tells of a dotted name, without importing it, whether there is such a module, by
        returning None if there is not. Where a ``try`` names one that is not there,
        what its handlers import is wanted.

    Returns
    -------
    list of Statement
        In the order of the cell.

    Raises
    ------
    LineError
        Naming the first statement that is none of these.
    """
    try:
        tree = ast.parse(cell)
    except (SyntaxError, ValueError) as error:
        raise LineError(_not_python(cell, error)) from None
    except (RecursionError, MemoryError):
        raise LineError(
            "the cell is nested too deeply to be read; write its imports alone"
        ) from None
    for node in tree.body:
        _check(node, cell, top=True)
    if not tree.body:
        raise LineError("the cell has no import statements; write them below the line")
    return [
        Statement(node, tuple(dict.fromkeys(_modules(node, find))), _binds(node))
        for node in tree.body
    ]


def _not_python(cell: str, error: SyntaxError | ValueError) -> str:
    number = getattr(error, "lineno", None)
    lines = cell.splitlines()
    if number is None or not 0 < number <= len(lines):
        return f"the cell is not Python: {error}"
    text = lines[number - 1].strip()
    if text.startswith(("%", "!", "?")) or text.endswith("?"):
        return _no_import(number, text)
    return _line(number, text, f"is not Python ({getattr(error, 'msg', error)})")


def _no_import(number: int, text: str) -> str:
    return _line(number, text, "is no import; move it to a cell of its own")


def _line(number: int, text: str, trouble: str) -> str:
    first, *more = text.splitlines() or [""]
    quoted = first if len(first) <= _LONGEST else f"{first[:_LONGEST]}…"
    if more:
        quoted += " …"
    return f"line {number + _ABOVE}, {quoted!r}, {trouble}"


def _check(node: ast.stmt, cell: str, *, top: bool = False) -> None:
    """Refuse what is no import."""
    if isinstance(node, ast.ImportFrom) and node.level:
        trouble = "is relative, and a cell is in no package; name the package"
        raise LineError(_line(node.lineno, ast.unparse(node), trouble))
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Pass):
        return
    if isinstance(node, ast.Try) and not node.finalbody:
        for inner in _within(node):
            _check(inner, cell)
        return
    if (
        isinstance(node, ast.Assign)
        and isinstance(node.value, ast.Constant)
        and all(isinstance(target, ast.Name) for target in node.targets)
        and not top
    ):
        return
    text = ast.get_source_segment(cell, node) or ast.unparse(node)
    raise LineError(_no_import(node.lineno, text))


def _within(node: ast.Try) -> Iterator[ast.stmt]:
    handlers = (handler.body for handler in node.handlers)
    return itertools.chain(node.body, *handlers, node.orelse)


def _modules(node: ast.stmt, find: Callable[[str], object | None]) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not _is_future(node):
        yield node.module
        for alias in node.names:
            submodule = f"{node.module}.{alias.name}"
            if alias.name != "*" and find(submodule) is not None:
                yield submodule
    elif isinstance(node, ast.Try):
        wanted = list(_of_all(node.body, find))
        there = list(
            itertools.takewhile(
                lambda name: find(name.partition(".")[0]) is not None, wanted
            )
        )
        # The first that is missing ends the body.
        yield from there
        handlers = [handler.body for handler in node.handlers]
        for nodes in [node.orelse] if there == wanted else handlers:
            yield from _of_all(nodes, find)


def _of_all(
    nodes: Iterable[ast.stmt], find: Callable[[str], object | None]
) -> Iterator[str]:
    for node in nodes:
        yield from _modules(node, find)


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _binds(node: ast.stmt) -> dict[str, frozenset[str]]:
    binds: dict[str, frozenset[str]] = {}
    if isinstance(node, ast.Try):
        for inner in _within(node):
            for name, uses in _binds(inner).items():
                binds[name] = binds.get(name, frozenset()) | uses
    elif isinstance(node, ast.Import):
        for alias in node.names:
            name = alias.asname or alias.name.partition(".")[0]
            uses = frozenset([alias.asname or alias.name])
            binds[name] = binds.get(name, frozenset()) | uses
    elif isinstance(node, ast.ImportFrom):
        names = [alias.asname or alias.name for alias in node.names]
        binds = {name: frozenset([name]) for name in names}
    elif isinstance(node, ast.Assign):
        names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        binds = {name: frozenset([name]) for name in names}
    return binds
