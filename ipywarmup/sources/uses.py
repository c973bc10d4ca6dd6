"""Which names a cell uses, with the attributes that it asks of them."""

from __future__ import annotations

import ast
import re
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_WORD = re.compile(r"(?<![-\w.])[^\W\d]\w*(?:\s*\.\s*[^\W\d]\w*)*")
"""A name with its attributes; what follows a hyphen is a flag."""
_SHELL = "get_ipython"
"""What IPython makes of a magic begins with it; the magic's code is text then."""


def used_names(tree: ast.AST, *, but_not_in: str = "") -> dict[str, set[str]]:
    """
    Return the names that code uses, but not those that it binds itself before.

    What a magic is given as text counts with every word of it.

    Parameters
    ----------
    tree : ast.AST
        A module or an expression.
    but_not_in : str
        A magic whose text does not count.

    Returns
    -------
    dict of str to set of str
        By name: the dotted chains that begin with it, such as ``xml.dom``; the name
        alone where it is used whole.
    """
    used: dict[str, set[str]] = {}
    bound: set[str] = set()
    body = getattr(tree, "body", None)
    for node in body if isinstance(body, list) else [tree]:
        for chain in _chains(node, but_not_in):
            name = chain.partition(".")[0]
            if name not in bound:
                used.setdefault(name, set()).add(chain)
        bound |= _bound_for_sure(node)
    return used


def names_in_functions(
    names: Iterable[str], namespace: Mapping[str, Any]
) -> dict[str, set[str]]:
    """
    Return the globals that functions and classes of a namespace use.

    Parameters
    ----------
    names : iterable of str
        Functions and classes to begin with; those that they use follow.
    namespace : mapping of str to object
        What was defined elsewhere is left out.

    Returns
    -------
    dict of str to set of str
        As of `used_names`; a function's code tells no chains, so names are used whole.
    """
    found: dict[str, set[str]] = {}
    left = list(names)
    seen: set[str] = set()
    while left:
        name = left.pop()
        if name in seen:
            continue
        seen.add(name)
        for code in _codes(namespace.get(name), namespace):
            for used in _globals_of(code):
                found.setdefault(used, set()).add(used)
                left.append(used)
    return found


def _codes(value: object, namespace: Mapping[str, Any]) -> Iterator[types.CodeType]:
    if isinstance(value, types.FunctionType):
        if value.__globals__ is namespace:
            yield value.__code__
    elif isinstance(value, type) and value.__module__ == namespace.get("__name__"):
        for member in vars(value).values():
            function = getattr(member, "__func__", getattr(member, "fget", member))
            if isinstance(function, types.FunctionType):
                yield from _codes(function, namespace)


def _globals_of(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _globals_of(constant)


def _chains(node: ast.AST, but_not_in: str) -> Iterator[str]:
    """Yield each use of a name, with the attributes that follow it."""
    if isinstance(node, ast.Attribute | ast.Name):
        chain = _chain(node)
        if chain is not None:
            if isinstance(node.ctx, ast.Load | ast.Del) or "." in chain:
                yield chain
            return
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        yield node.target.id
    if isinstance(node, ast.Call) and _is_of_shell(node.func):
        yield from _words(node, but_not_in)
        return
    parameters = _parameters(node)
    for child in ast.iter_child_nodes(node):
        for chain in _chains(child, but_not_in):
            if chain.partition(".")[0] not in parameters:
                yield chain


def _parameters(node: ast.AST) -> set[str]:
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        return set()
    return {each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg)}


def _chain(node: ast.expr) -> str | None:
    """Return ``a.b.c``, None where it begins with anything but a name."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(attributes)])


def _is_of_shell(function: ast.expr) -> bool:
    """Whether a call is one of ``get_ipython().run_line_magic`` and its like."""
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Call)
        and isinstance(function.value.func, ast.Name)
        and function.value.func.id == _SHELL
    )


def _words(call: ast.Call, but_not_in: str) -> Iterator[str]:
    texts = [
        argument.value
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]
    assert isinstance(call.func, ast.Attribute)  # noqa: S101 - as `_is_of_shell` found
    if call.func.attr in {"run_line_magic", "run_cell_magic"}:
        magic, *texts = texts or [""]
        if magic == but_not_in:
            return
    for text in texts:
        for match in _WORD.finditer(text):
            yield "".join(match[0].split())


def _bound_for_sure(node: ast.AST) -> set[str]:
    """Return what a statement of a cell's top level binds whatever happens."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Import | ast.ImportFrom):
        return {
            alias.asname or alias.name
            for alias in node.names
            if alias.asname or "." not in alias.name
        }
    if isinstance(node, ast.Assign):
        targets = [target for target in node.targets if isinstance(target, ast.Name)]
        return {target.id for target in targets}
    return set()
