"""The statements of an import cell: what each imports, and which names it binds."""

from __future__ import annotations

import ast
import builtins
import itertools
from typing import TYPE_CHECKING, NamedTuple

from ipywarmup.sources.installed import find as find_installed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


class Statement(NamedTuple):
    """
    A statement of an import cell.

    Parameters
    ----------
    node : ast.stmt
        The statement itself.
    imports : bool
        Whether it imports, and does nothing else.
    modules : tuple of str
        If it does: absolute dotted names of what it imports, in its order.
    binds : dict of str to frozenset of str
        If it does, by name: what a use of it may need the statement for. ``import
        a.b`` binds ``a`` for ``a.b``; any other statement binds a name for itself. The
        name ``*`` stands for all that a module has.
    """

    node: ast.stmt
    imports: bool
    modules: tuple[str, ...]
    binds: dict[str, frozenset[str]]

    @property
    def tree(self) -> ast.Module:
        """The statement as code of its own."""
        return ast.Module([self.node], [])


def statements_of(
    nodes: Iterable[ast.stmt], find: Callable[[str], object | None] = find_installed
) -> list[Statement]:
    """
    Tell the imports of a cell from what else it does.

    Imports within ``try`` and ``except`` are import statements, too, and there
    constants may be assigned. Those in any other block are not: it may as well not run.

    Parameters
    ----------
    nodes : iterable of ast.stmt
        Statements of the top level.
    find : callable
        Tells of a dotted name, without importing it, whether there is such a module, by
        returning None if there is not. Where a ``try`` names one that is not there,
        what its handlers import is wanted.

    Returns
    -------
    list of Statement
        In the order of the cell.
    """
    return [_statement(node, find) for node in nodes]


def _statement(node: ast.stmt, find: Callable[[str], object | None]) -> Statement:
    imports = _is_import(node) or (isinstance(node, ast.Try) and _is_optional(node))
    if not imports:
        return Statement(node, imports, (), {})
    modules = tuple(dict.fromkeys(_modules(node, find)))
    return Statement(node, imports, modules, _binds(node))


def _is_import(node: ast.AST) -> bool:
    """Tell a plain import; a relative one fails in a cell, which is in no package."""
    return isinstance(node, ast.Import) or (
        isinstance(node, ast.ImportFrom) and not node.level
    )


def _is_optional(node: ast.Try) -> bool:
    """Tell a ``try`` that can run anywhere, since it needs nothing of the user's."""
    caught = (each.type for each in node.handlers if each.type is not None)
    names = itertools.chain.from_iterable(map(ast.walk, caught))
    return (
        not node.finalbody
        and any(map(_is_import, ast.walk(node)))
        and all(map(_is_part_of_import, _within(node)))
        and all(
            hasattr(builtins, each.id) for each in names if isinstance(each, ast.Name)
        )
    )


def _is_part_of_import(node: ast.stmt) -> bool:
    """Tell what may stand beside imports in a ``try``."""
    if isinstance(node, ast.Try):
        return not node.finalbody and all(map(_is_part_of_import, _within(node)))
    return (
        _is_import(node)
        or isinstance(node, ast.Pass)
        or (
            isinstance(node, ast.Assign)
            and isinstance(node.value, ast.Constant)
            and all(isinstance(target, ast.Name) for target in node.targets)
        )
    )


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
