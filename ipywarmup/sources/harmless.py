"""Code that can run before what stands above it: it shares nothing with anything."""

from __future__ import annotations

import ast
import builtins
import itertools
import types
from typing import TYPE_CHECKING, Any

from ipywarmup.sources.uses import (
    is_of_shell,
    magics_of,
    names_in_functions,
    used_names,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MODULES = frozenset(
    {
        *("abc", "base64", "bisect", "cmath", "collections", "dataclasses", "datetime"),
        *("enum", "fractions", "functools", "hashlib", "heapq", "itertools", "json"),
        *("math", "numbers", "operator", "re", "statistics", "string", "textwrap"),
        *("time", "typing", "uuid"),
    }
)
"""Modules without state that anybody configures: all else may depend on that."""
_BUILTINS = frozenset(dir(builtins)) - {
    *("__build_class__", "__import__", "__loader__", "__spec__", "breakpoint"),
    *("compile", "copyright", "credits", "delattr", "dir", "display", "eval", "exec"),
    *("exit", "get_ipython", "globals", "help", "input", "license", "locals", "open"),
    *("quit", "setattr", "vars"),
}
_MAGICS = frozenset({"time", "timeit", "warmup"})
"""Magics that IPython shows the code of which before they run it, and our own."""
_PLAIN = (bool, bytes, complex, float, int, str, type(None), type(...))
_CONTAINERS = (dict, frozenset, list, set, tuple)
_MOST = 1000
"""Values within values that are looked at; nobody looks through data."""


def is_harmless(tree: ast.Module, namespace: Mapping[str, Any]) -> bool:
    """
    Tell whether code neither reads nor changes anything that other code may change.

    It may work with names that it binds, numbers, texts and what is built of them, and
    with modules such as `math`. Whatever else it names may depend on anything.

    Parameters
    ----------
    tree : ast.Module
        What IPython is about to run.
    namespace : mapping of str to object
        What its names stand for.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom) and not _MODULES.issuperset(
            _imported(node)
        ):
            return False
        # Whatever else is asked of the shell runs no magic at all.
        if isinstance(node, ast.Call) and is_of_shell(node.func):
            magics = magics_of(ast.Module([ast.Expr(node)], []))
            if not magics or not magics <= _MAGICS:
                return False
    names = set(used_names(tree, but_not_in="warmup"))
    while True:
        inner = set(names_in_functions(names, namespace))
        if inner <= names:
            break
        names |= inner
    return all(_stands_for_harmless(name, namespace) for name in names)


def is_definition(node: ast.stmt) -> bool:
    """Tell whether a statement shows nothing, and cannot fail if it is harmless."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        return not node.decorator_list
    if not isinstance(node, ast.Assign):
        return isinstance(node, ast.Pass)
    try:
        ast.literal_eval(node.value)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return all(isinstance(target, ast.Name) for target in node.targets)


def _imported(node: ast.Import | ast.ImportFrom) -> Iterable[str]:
    if isinstance(node, ast.ImportFrom):
        return [node.module or "" if not node.level else ""]
    return [alias.name for alias in node.names]


def _stands_for_harmless(name: str, namespace: Mapping[str, Any]) -> bool:
    if name not in namespace:
        return name in _BUILTINS
    value = namespace[name]
    # By type: `isinstance` asks a value for its class, which may run code of it.
    kind = type(value)
    if kind is types.ModuleType:
        return value.__name__ in _MODULES
    if kind is types.FunctionType and value.__globals__ is namespace:
        # Its names are among those that are looked at.
        kept = value.__defaults__, value.__kwdefaults__, vars(value)
        return not value.__closure__ and _is_plain(kept)
    if kind in {types.FunctionType, types.BuiltinFunctionType, type}:
        return getattr(value, "__module__", None) in _MODULES
    return _is_plain(value)


def _is_plain(value: object) -> bool:
    left: list[Any] = [value]
    seen = 0
    while left:
        each = left.pop()
        seen += 1
        kind = type(each)
        if seen > _MOST:
            return False
        if kind in _CONTAINERS:
            left += itertools.islice(each, _MOST + 1)
            if kind is dict:
                left += itertools.islice(each.values(), _MOST + 1)
        elif kind not in _PLAIN:
            return False
    return True
