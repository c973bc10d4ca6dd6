"""Which names a cell uses, with the attributes that it asks of them."""

from __future__ import annotations

import ast
import contextlib
import dis
import functools
import inspect
import itertools
import re
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_WORD = re.compile(r"(?<![-\w.])[^\W\d]\w*(?:\s*\.\s*[^\W\d]\w*)*")
"""A name with its attributes; what follows a hyphen is a flag."""
_EXPANDED = re.compile(r"\{[^{}]*\}|\$\w[\w.]*")
"""What IPython puts values in place of, in what it hands on."""
_SHELL = "get_ipython"
"""What IPython makes of a magic begins with it; the magic's code is text then."""
_MAGICS = {"run_line_magic", "run_cell_magic"}
_FOREIGN = frozenset(
    {
        *("bash", "html", "javascript", "js", "latex", "markdown", "perl", "ruby"),
        *("script", "sh", "svg", "sx", "system", "writefile"),
        *("cd", "conda", "mamba", "micromamba", "pip", "uv"),
    }
)
"""Magics whose text is none of this kernel's Python, but for what is expanded in it."""
_UNSEEN = frozenset({"lprun", "memit", "mprun", "prun"})
"""Magics that run code which IPython shows to nobody before; ``%time`` shows it."""

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_WRAPPERS: dict[type, tuple[str, ...]] = {
    types.MethodType: ("__func__",),
    classmethod: ("__func__",),
    staticmethod: ("__func__",),
    functools.partial: ("func",),
    functools.cached_property: ("func",),
    property: ("fget", "fset", "fdel"),
}
"""What holds a function, and where."""
_SUSPENDED: dict[type, str] = {
    types.GeneratorType: "gi_frame",
    types.CoroutineType: "cr_frame",
    types.AsyncGeneratorType: "ag_frame",
}
"""What has begun to run a function, and where its frame is."""
_MOST = 1000
"""How many things are looked at for one name: data is no list of functions."""
_READ = {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS", "DELETE_GLOBAL"}
"""What bytecode of Python 3.11 to 3.13 calls the use of a global name."""
_STORED = {"STORE_GLOBAL", "DELETE_GLOBAL"}
_OPAQUE = {"eval", "exec", "get_ipython", "globals", "locals", "vars"}
"""What reaches names that nobody sees."""


def used_names(
    tree: ast.AST, *, but_not_in: str = "", certain: bool = False
) -> dict[str, set[str]]:
    """
    Return the names that code uses, but not those that it binds itself before.

    What a magic is given as text counts with every word of it.

    Parameters
    ----------
    tree : ast.AST
        A module or an expression.
    but_not_in : str
        A magic whose text does not count.
    certain : bool
        Leave out what may be no use of the name: where code before it, or a loop, a
        ``try`` or the like around it, may have bound the name, and the words of a
        magic's text, but for those of magics that run it at once.

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
        binds = set(_bound_in([node])) if certain else set()
        # Of a block, some of it runs after it has bound a name.
        is_block = hasattr(node, "body") or isinstance(node, ast.Match)
        around = binds if is_block else set()
        for chain in _chains(node, but_not_in, certain=certain):
            name = chain.partition(".")[0]
            if name not in bound | around:
                used.setdefault(name, set()).add(chain)
        bound |= binds | _bound_for_sure(node)
    return used


def magics_of(tree: ast.Module) -> set[str]:
    """Return the names of the magics that code runs."""
    calls = (
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and is_of_shell(node.func) and node.args
    )
    return {
        call.args[0].value
        for call in calls
        if isinstance(call.args[0], ast.Constant)
        and isinstance(call.args[0].value, str)
    }


def bound_names(tree: ast.Module) -> set[str]:
    """Return the names that code may bind, less those within its functions."""
    return set(_bound_in(tree.body))


def touched_names(
    tree: ast.Module, namespace: Mapping[str, Any], *, but_not_in: str = ""
) -> set[str] | None:
    """
    Return the names that code uses or binds, itself or in functions that it uses.

    Parameters
    ----------
    tree : ast.Module
    namespace : mapping of str to object
        Where those functions are.
    but_not_in : str
        A magic that touches none.

    Returns
    -------
    set of str or None
        None if it may be any, as for code that binds names of others.
    """
    used = used_names(tree, but_not_in=but_not_in)
    names = {*used, *bound_names(tree)}
    names.update(names_in_functions(used, namespace))
    if (
        names & _OPAQUE
        or magics_of(tree) - {but_not_in}
        or _binds_for_others(names, tree, namespace)
    ):
        return None
    return names


def awaits(tree: ast.Module) -> int | None:
    """Return the line on which code awaits something outside of functions, if any."""
    left: list[ast.AST] = [tree]
    while left:
        node = left.pop()
        if isinstance(node, ast.Await | ast.AsyncFor | ast.AsyncWith):
            return node.lineno
        if isinstance(node, _COMPREHENSIONS) and any(
            each.is_async for each in node.generators
        ):
            return node.lineno
        if not isinstance(node, _FUNCTIONS):
            left.extend(ast.iter_child_nodes(node))
    return None


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


def _binds_for_others(
    names: Iterable[str], tree: ast.Module, namespace: Mapping[str, Any]
) -> bool:
    """Tell whether code binds names that it does not show: as global, or by a star."""
    return any(
        isinstance(node, ast.Global)
        or (isinstance(node, ast.alias) and node.name == "*")
        for node in ast.walk(tree)
    ) or any(
        instruction.opname in _STORED
        for name in names
        for code in _codes(namespace.get(name), namespace)
        for instruction in _instructions(code)
    )


def _codes(value: object, namespace: Mapping[str, Any]) -> Iterator[types.CodeType]:
    left: list[Any] = [value]
    seen: set[int] = set()
    while left and len(seen) < _MOST:
        each = left.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        # By type: `isinstance` asks a value for its class, which may run code of it.
        kind = type(each)
        if kind is types.FunctionType:
            if each.__globals__ is namespace:
                yield each.__code__
        elif kind in _SUSPENDED:
            frame = getattr(each, _SUSPENDED[kind])
            if frame is not None and frame.f_globals is namespace:
                yield frame.f_code
        inside = _behind(each, namespace.get("__name__"))
        # What a metaclass makes of the attributes of a class may raise.
        with contextlib.suppress(Exception):
            left.extend(itertools.islice(inside, _MOST))


def _behind(value: Any, module: object) -> Iterator[object]:  # noqa: ANN401
    """Yield what may run when somebody uses a value: what it is made of, or wraps."""
    kind = type(value)
    if kind is types.FunctionType:
        yield from (_content(cell) for cell in value.__closure__ or ())
    elif kind in _WRAPPERS:
        yield from (getattr(value, name) for name in _WRAPPERS[kind])
    elif issubclass(kind, type):
        for each in value.__mro__:
            if each.__module__ == module:
                yield from vars(each).values()
    elif kind is dict:
        yield from value.values()
    elif kind in {list, tuple, set}:
        yield from value
    elif kind.__module__ == module:
        yield kind
    # Not by getattr, which may run code of the value's.
    wrapped = inspect.getattr_static(value, "__wrapped__", None)
    if type(wrapped) is types.FunctionType:
        yield wrapped


def _content(cell: types.CellType) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # empty yet
        return None


def _globals_of(code: types.CodeType) -> Iterator[str]:
    for instruction in _instructions(code):
        if instruction.opname in _READ:
            yield instruction.argval


def _instructions(code: types.CodeType) -> Iterator[dis.Instruction]:
    yield from dis.get_instructions(code)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _instructions(constant)


def _chains(node: ast.AST, but_not_in: str, *, certain: bool) -> Iterator[str]:
    """Yield each use of a name, with the attributes that follow it."""
    if isinstance(node, ast.Attribute | ast.Name):
        chain = chain_of(node)
        if chain is not None:
            if isinstance(node.ctx, ast.Load | ast.Del) or "." in chain:
                yield chain
            return
    if isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
        yield node.target.id
    if isinstance(node, ast.Call) and is_of_shell(node.func):
        yield from _words(node, but_not_in, certain=certain)
        return
    inner = _local_names(node)
    for child in ast.iter_child_nodes(node):
        for chain in _chains(child, but_not_in, certain=certain):
            if chain.partition(".")[0] not in inner:
                yield chain
    for child in _evaluated_around(node):
        yield from _chains(child, but_not_in, certain=certain)


def _local_names(node: ast.AST) -> set[str]:
    """Return the names that stand for something else within a function."""
    if isinstance(node, _COMPREHENSIONS):
        return set(_bound_in(each.target for each in node.generators))
    if not isinstance(node, _FUNCTIONS):
        return set()
    names = {each.arg for each in ast.walk(node.args) if isinstance(each, ast.arg)}
    if isinstance(node, ast.Lambda):
        return names
    names.update(_bound_in(node.body))
    for each in ast.walk(node):
        if isinstance(each, ast.Global):
            names.difference_update(each.names)
    return names


def _evaluated_around(node: ast.AST) -> list[ast.expr]:
    """Return the parts of a function that are evaluated outside it."""
    if isinstance(node, _COMPREHENSIONS):
        return [node.generators[0].iter]
    if not isinstance(node, _FUNCTIONS):
        return []
    parts = [*node.args.defaults, *filter(None, node.args.kw_defaults)]
    if not isinstance(node, ast.Lambda):
        parts += node.decorator_list
    return parts


def _bound_in(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Yield the names that code binds, maybe, less those within functions of it."""
    for node in nodes:
        if isinstance(node, _DEFINITIONS):
            yield node.name
        elif isinstance(node, _COMPREHENSIONS):
            inner = (each for each in ast.walk(node) if isinstance(each, ast.NamedExpr))
            yield from (each.target.id for each in inner)
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.partition(".")[0]
        elif not isinstance(node, ast.Lambda):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id
            elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
                yield node.name or ""
            elif isinstance(node, ast.MatchMapping):
                yield node.rest or ""
            yield from _bound_in(ast.iter_child_nodes(node))


def chain_of(node: ast.AST) -> str | None:
    """Return ``a.b.c``, None where it begins with anything but a name."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(attributes)])


def is_of_shell(function: ast.expr) -> bool:
    """Whether a call is one of ``get_ipython().run_line_magic`` and its like."""
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Call)
        and isinstance(function.value.func, ast.Name)
        and function.value.func.id == _SHELL
    )


def _words(call: ast.Call, but_not_in: str, *, certain: bool) -> Iterator[str]:
    texts = [
        argument.value
        for argument in call.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    ]
    assert isinstance(call.func, ast.Attribute)  # noqa: S101 - as `is_of_shell` found
    foreign = call.func.attr not in _MAGICS
    magic = ""
    if not foreign:
        magic, *texts = texts or [""]
        foreign = magic in _FOREIGN
    if (magic and magic == but_not_in) or (certain and magic not in _UNSEEN):
        return
    for text in texts:
        for part in _EXPANDED.findall(text) if foreign else [text]:
            for match in _WORD.finditer(part):
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
