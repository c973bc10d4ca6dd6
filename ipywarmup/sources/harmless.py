"""Code that can run before what stands above it: it shares nothing with anything."""

from __future__ import annotations

import ast
import builtins
import itertools
import sys
import types
from typing import TYPE_CHECKING, Any

from ipywarmup.sources.uses import (
    bound_names,
    names_in_functions,
    touched_names,
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
_ALL_BUILTINS = frozenset(dir(builtins))
_BUILTINS = _ALL_BUILTINS - {
    *("__build_class__", "__import__", "__loader__", "__spec__", "breakpoint"),
    *("compile", "copyright", "credits", "delattr", "dir", "display", "eval", "exec"),
    *("exit", "get_ipython", "globals", "help", "input", "license", "locals", "open"),
    *("quit", "setattr", "vars"),
}
_PLAIN = (bool, bytes, complex, float, int, str, type(None), type(...))


def is_harmless(tree: ast.Module, namespace: Mapping[str, Any]) -> bool:
    """
    Tell whether code neither reads nor changes anything that other code may change.

    It may work with what it makes itself, with numbers and texts that have a name, and
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
        if isinstance(node, ast.Delete | ast.Global | ast.Nonlocal):
            return False
        if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(
            node.ctx, ast.Load
        ):
            return False
    if touched_names(tree, namespace, but_not_in="warmup") is None:
        return False
    used = used_names(tree, but_not_in="warmup")
    names = {*used, *names_in_functions(used, namespace)}
    return all(_stands_for_harmless(name, namespace) for name in names)


def is_standard(tree: ast.Module, namespace: Mapping[str, Any]) -> bool:
    """
    Tell whether code works with nothing but what is Python's own.

    An import of something else is nothing that it could notice.

    Parameters
    ----------
    tree : ast.Module
    namespace : mapping of str to object
        What its names stand for.
    """
    touched = touched_names(tree, namespace)
    # What a name will stand for that is not there yet, nobody knows.
    known = bound_names(tree).union(namespace, _ALL_BUILTINS)
    return (
        touched is not None
        and touched <= known
        and all(_is_of_python(namespace[name]) for name in touched & namespace.keys())
    )


def _is_of_python(value: Any) -> bool:  # noqa: ANN401
    kind = type(value)
    if kind in {dict, frozenset, list, set, tuple}:
        items = [value, value.values()] if kind is dict else [value]
        return all(type(each) in _PLAIN for each in itertools.chain(*items))
    made_in = kind.__module__
    if kind is types.ModuleType:
        made_in = value.__name__
    elif kind in {types.FunctionType, types.BuiltinFunctionType, type}:
        made_in = value.__module__
        if made_in == "__main__":
            return kind is types.FunctionType  # its names are looked at
    return str(made_in).partition(".")[0] in sys.stdlib_module_names


def _imported(node: ast.Import | ast.ImportFrom) -> Iterable[str]:
    if isinstance(node, ast.ImportFrom):
        star = any(alias.name == "*" for alias in node.names)
        return [node.module or "" if not (node.level or star) else ""]
    return [alias.name for alias in node.names]


def _stands_for_harmless(name: str, namespace: Mapping[str, Any]) -> bool:
    if name.startswith("_"):  # IPython's own: what came out last
        return False
    if name not in namespace:
        return name in _BUILTINS
    value = namespace[name]
    # By type: `isinstance` asks a value for its class, which may run code of it.
    kind = type(value)
    if kind is types.ModuleType:
        return value.__name__ in _MODULES
    if kind is types.FunctionType and value.__globals__ is namespace:
        # Its names are among those that are looked at.
        kept = [*(value.__defaults__ or ()), *(value.__kwdefaults__ or {}).values()]
        return (
            not value.__closure__
            and not vars(value)
            and all(type(each) in _PLAIN for each in kept)
        )
    if kind in {types.FunctionType, types.BuiltinFunctionType, type}:
        return getattr(value, "__module__", None) in _MODULES
    # Not what can be changed: it may be a part of something else.
    return kind in _PLAIN
