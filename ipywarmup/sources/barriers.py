"""
Barriers: code that may change what an import behind it does.

The rule errs on the safe side. These count:

- what changes the surroundings of an import: environment, working directory, module
  path, handlers of the log, the seed of a generator that all share;
- what runs code that nobody can see through: `exec`, `%run`, `!pip`, whatever comes
  from a file beside the notebook, a name that nothing in sight has bound;
- a function or class that does either, where it is used;
- a package's own switches, such as `matplotlib.use`, for that package only.

Whatever else is called of installed packages does not count.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import inspect
import itertools
import os
import re
import textwrap
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from ipywarmup.sources import effects
from ipywarmup.sources.effects import Effect
from ipywarmup.sources.uses import bound_names, chain_of, is_of_shell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

_READS = frozenset({"copy", "get", "items", "keys", "values"})
"""What may be asked of `os.environ`."""
_WRITES = frozenset({"pop", "setdefault", "update"})
_MADE_IN_MODULES = (FunctionType, BuiltinFunctionType, MethodType, type)
"""What a name of a module may stand for, by its type; other values are data."""
_FLAGS = re.compile(r"(?:-\S+\s+(?:\d+\s+)?)+")


@dataclass(frozen=True)
class Barrier:
    """
    Code that may change what an import behind it does.

    Parameters
    ----------
    line : int
        Where the statement begins that it is in, the outermost, counted from 1.
    what : str
        What was seen, in the words of the code, such as ``"os.chdir"`` or ``"%cd"``.
    package : str or None
        The only package that it concerns, with all that require it; None for any.
    cell : int or None
        In which cell, counted from 1, if it was in a notebook.
    column : int
        Where that statement begins, plus the number of names before it if it imports.
    feared : bool
        Whether it counts only because nobody can see what it does.
    """

    line: int
    what: str
    package: str | None = None
    cell: int | None = None
    column: int = 0
    feared: bool = False


class Reader(ast.NodeVisitor):
    """
    Reads code for barriers, cell by cell: what names stand for carries over.

    Parameters
    ----------
    is_installed : callable
        Tells of a top-level module whether it is installed, or Python's own; any other
        one may do anything.
    namespace : mapping of str to object, optional
        What the names of the code stand for, where it is about to run.
    """

    def __init__(
        self,
        is_installed: Callable[[str], bool],
        namespace: Mapping[str, object] | None = None,
    ) -> None:
        self._is_installed = is_installed
        self._namespace = namespace or {}
        # By name: the dotted name of what was imported under it.
        self._origins: dict[str, str] = {}
        # By name of a function or class: what runs when somebody uses it.
        self._bodies: dict[str, list[ast.AST]] = {}
        self._opaque: set[str] = set()
        self._known: set[str] = {*dir(builtins), *effects.SHELL_NAMES}
        # Whether all that an installed module has may be among the names.
        self._starred = False
        # Of the statement at hand: what was found, and what was looked through.
        self._found: list[Effect] = []
        self._seen: set[str] = set()

    def read(self, tree: ast.Module, cell: int | None = None) -> list[Barrier]:
        """
        Return the barriers of some code, in its order; nothing is run.

        Parameters
        ----------
        tree : ast.Module
            What `parse_cell` returns, or IPython is about to run.
        cell : int, optional
            What the barriers are marked with.
        """
        barriers: dict[Barrier, None] = {}
        for node in itertools.chain.from_iterable(map(_one_by_one, tree.body)):
            self._found, self._seen = [], set()
            binds = bound_names(ast.Module([node], []))
            # A block may use what it binds further down.
            self._known |= binds
            try:
                self.visit(node)
            except RecursionError:
                self._note(_feared("code nested too deeply"))
            if any(each.opaque for each in self._found):
                self._opaque |= binds
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                self._opaque -= binds
            decorators = getattr(node, "decorator_list", [])
            line = min(each.lineno for each in [node, *decorators])
            for each in self._found:
                where = cell, node.col_offset, each.feared
                barriers[Barrier(line, each.what, each.package, *where)] = None
        return list(barriers)

    def _note(self, effect: Effect | None) -> None:
        if effect is not None:
            self._found.append(effect)

    def _visit_all(self, nodes: Iterable[ast.AST | None]) -> None:
        for node in nodes:
            if node is not None:
                self.visit(node)

    # Called by `visit`, by the class of a node. What has no method is looked into.

    def visit_Import(self, node: ast.Import) -> None:  # noqa: D102
        for alias in node.names:
            top = alias.name.partition(".")[0]
            self._import(alias.asname or top, alias.name if alias.asname else top)

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:  # noqa: D102
        module = node.module or ""
        if node.level:
            self._note(_feared(f"from {'.' * node.level}{module}"))
        elif module != "__future__":
            for alias in node.names:
                self._starred = self._starred or alias.name == "*"
                self._import(alias.asname or alias.name, f"{module}.{alias.name}")

    def visit_FunctionDef(  # noqa: D102
        self, node: ast.FunctionDef | ast.AsyncFunctionDef
    ) -> None:
        self._define(node.name, [node])
        self._visit_all(node.decorator_list)
        self._visit_all([*node.args.defaults, *node.args.kw_defaults])

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_ClassDef(self, node: ast.ClassDef) -> None:  # noqa: D102
        self._define(node.name, [each for each in node.body if _is_function(each)])
        self._visit_all([*node.decorator_list, *node.bases])
        self._visit_all(each for each in node.body if not _is_function(each))

    def visit_Assign(self, node: ast.Assign | ast.Delete) -> None:  # noqa: D102
        for target in node.targets:
            self._assign(target)
        self._visit_all([getattr(node, "value", None)])

    visit_Delete = visit_Assign  # noqa: N815

    def visit_AugAssign(  # noqa: D102
        self, node: ast.AugAssign | ast.AnnAssign
    ) -> None:
        self._assign(node.target)
        self._visit_all([node.value])

    visit_AnnAssign = visit_AugAssign  # noqa: N815

    def visit_Name(self, node: ast.Name) -> None:  # noqa: D102
        name = node.id
        self._look_up(name)
        if name in self._origins:
            self._note(effects.of_name(self._origins[name], name))
        elif name in self._bodies:
            self._look_through(name)
        elif name in effects.BUILTINS:
            self._note(_feared(name))
        if name in self._opaque:
            self._note(Effect(name, opaque=True))
        elif not (name in self._known or self._starred):
            self._note(_feared(name))

    def visit_Attribute(self, node: ast.Attribute) -> None:  # noqa: D102
        root = _root(node)
        self._look_up(root)
        dotted = self._dotted(node)
        if dotted is None or root not in self._origins:
            if node.attr in effects.WORDS:
                self._note(Effect(_text(node)))
            self.visit(node.value)
            return
        self._note(effects.of_name(dotted, _text(node)))
        if root in self._opaque:
            self._note(Effect(_text(node), opaque=True))

    def visit_Call(self, node: ast.Call) -> None:  # noqa: D102
        if is_of_shell(node.func):
            self._call_shell(node)
            return
        self._look_up(_root(node.func))
        if not self._call_for_variables(node) and not self._call_known(node):
            self.visit(node.func)
        self._visit_all([*node.args, *node.keywords])

    def visit_Subscript(self, node: ast.Subscript) -> None:  # noqa: D102
        # What is only read changes nothing.
        if not self._is_environment(node.value):
            self.visit(node.value)
        self.visit(node.slice)

    def visit_Compare(self, node: ast.Compare) -> None:  # noqa: D102
        looks_up = all(isinstance(each, ast.In | ast.NotIn) for each in node.ops)
        self._visit_all(
            each
            for each in (node.left, *node.comparators)
            if not (looks_up and self._is_environment(each))
        )

    def visit_Lambda(self, node: ast.AST) -> None:  # noqa: D102
        with self._local(_names_within(node)):
            self.generic_visit(node)

    visit_ListComp = visit_SetComp = visit_DictComp = visit_Lambda  # noqa: N815
    visit_GeneratorExp = visit_Lambda  # noqa: N815

    def _look_up(self, name: str) -> None:
        """Find out what a name stands for in the namespace, if anywhere."""
        if name in self._known or name not in self._namespace:
            return
        self._known.add(name)
        value: Any = self._namespace[name]
        kind = type(value)
        if kind is ModuleType:
            self._bind(name, value.__name__)
        elif kind in _MADE_IN_MODULES:
            module = getattr(value, "__module__", None)
            if module == self._namespace.get("__name__", "__main__"):
                self._read_source(name, value)
            elif isinstance(module, str):
                # What `os` has is of a module that is called by the system.
                module = "os" if module == os.name else module
                self._bind(name, f"{module}.{value.__name__}")
        else:
            for origin, surroundings in effects.surroundings().items():
                if value is surroundings:
                    self._bind(name, origin)

    def _bind(self, name: str, origin: str) -> None:
        self._origins[name] = origin
        if not self._is_installed(origin.partition(".")[0]):
            self._opaque.add(name)

    def _read_source(self, name: str, value: Any) -> None:  # noqa: ANN401
        """Find the code of a function or a class that some cell has made."""
        try:
            (node,) = ast.parse(textwrap.dedent(inspect.getsource(value))).body
        except (OSError, TypeError, ValueError, SyntaxError, RecursionError):
            self._opaque.add(name)
            return
        if isinstance(node, ast.ClassDef):
            self._define(name, [each for each in node.body if _is_function(each)])
        else:
            self._define(name, [node])

    def _import(self, name: str, module: str) -> None:
        self._bodies.pop(name, None)
        self._origins[name] = module
        top = module.partition(".")[0]
        if self._is_installed(top):
            self._opaque.discard(name)
        else:
            self._note(_feared(f"import {top}"))

    def _define(self, name: str, body: list[ast.AST]) -> None:
        self._origins.pop(name, None)
        self._opaque.discard(name)
        self._bodies[name] = body

    def _assign(self, target: ast.AST) -> None:
        """Note what it changes to assign to something, or to delete it."""
        match target:
            case ast.Name():
                self._bodies.pop(target.id, None)
                self._origins.pop(target.id, None)
            case ast.Tuple() | ast.List():
                for each in target.elts:
                    self._assign(each)
            case ast.Starred():
                self._assign(target.value)
            case ast.Subscript() if self._is_environment(target.value):
                variable = _constant(target.slice)
                self._note(effects.of_variables([variable], _text(target)))
            case ast.Attribute() | ast.Subscript():
                root = _root(target)
                if root in self._origins:
                    origin = self._origins[root]
                    self._note(effects.of_assignment(origin, _text(target)))
                self.generic_visit(target)

    def _call_for_variables(self, node: ast.Call) -> bool:
        """Note a call of a method of `os.environ`; return whether it is one."""
        function = node.func
        if not isinstance(function, ast.Attribute):
            return False
        if not self._is_environment(function.value):
            return False
        if function.attr in _WRITES:
            self._note(effects.of_variables(_keys(node), _text(function)))
        elif function.attr not in _READS:
            self._note(Effect(_text(function)))
        return True

    def _call_known(self, node: ast.Call) -> bool:
        """Note a call whose first argument matters; return whether it is one."""
        called, text = self._dotted(node.func), _text(node.func)
        first = _constant(node.args[0]) if node.args else None
        if called == "os.putenv":
            self._note(effects.of_variables([first], text))
        elif called in {"warnings.filterwarnings", "warnings.simplefilter"}:
            # Of all filters, one that raises changes what an import does.
            if first in {None, "error"}:
                self._note(Effect(text))
        elif called == "importlib.import_module":
            top = first.partition(".")[0] if isinstance(first, str) else ""
            if not (top and self._is_installed(top)):
                self._note(Effect(text, opaque=True))
        elif called == "open" and _may_write(node):
            self._note(Effect(text))
        else:
            return False
        return True

    def _call_shell(self, node: ast.Call) -> None:
        """Note what a magic or a command of the system may change."""
        texts = [str(_constant(each)) for each in node.args]
        method = getattr(node.func, "attr", "")
        if method in {"system", "getoutput"}:
            self._note(effects.of_command(" ".join(texts)))
        elif method not in {"run_line_magic", "run_cell_magic"} or not texts:
            self._note(_feared("get_ipython()"))
        elif texts[0] not in effects.CODE_MAGICS:
            called = f"{'%%' if method == 'run_cell_magic' else '%'}{texts[0]}"
            self._note(effects.of_magic(texts[0], " ".join(texts[1:2]), called))
        else:
            for text in texts[1:]:
                self._read_text(texts[0], text)

    def _read_text(self, magic: str, text: str) -> None:
        """Note what the code changes that a magic is given as text."""
        try:
            tree = ast.parse(_FLAGS.sub("", text.strip(), count=1))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            self._note(_feared(f"%{magic}"))
        else:
            self._known |= bound_names(tree)
            self._visit_all(tree.body)

    def _look_through(self, name: str) -> None:
        """Note what the body of a function of the notebook changes, in its name."""
        if name in self._seen:
            return
        self._seen.add(name)
        before = len(self._found)
        for function in self._bodies[name]:
            with self._local(_names_within(function)):
                self._visit_all(getattr(function, "body", []))
        self._found[before:] = [
            each._replace(what=name, opaque=True) for each in self._found[before:]
        ]

    @contextlib.contextmanager
    def _local(self, names: set[str]) -> Iterator[None]:
        """Take names for variables of a function; what it binds stays inside."""
        before = self._origins, self._bodies, self._opaque, self._known
        self._origins = {k: v for k, v in self._origins.items() if k not in names}
        self._bodies = {k: v for k, v in self._bodies.items() if k not in names}
        self._opaque, self._known = self._opaque - names, self._known | names
        try:
            yield
        finally:
            self._origins, self._bodies, self._opaque, self._known = before

    def _dotted(self, node: ast.AST) -> str | None:
        """Return the dotted name of something, from its module on if it has one."""
        chain = chain_of(node)
        if chain is None:
            return None
        root, dot, rest = chain.partition(".")
        return f"{self._origins.get(root, root)}{dot}{rest}"

    def _is_environment(self, node: ast.AST) -> bool:
        return self._dotted(node) == "os.environ"


def _feared(what: str) -> Effect:
    """Return the effect of what nobody can see through."""
    return Effect(what, opaque=True, feared=True)


def _one_by_one(node: ast.stmt) -> list[ast.stmt]:
    """Return a statement for each name that one imports, else the statement."""
    if not isinstance(node, ast.Import):
        return [node]
    column = node.col_offset
    return [
        ast.Import([alias], lineno=node.lineno, col_offset=column + number)
        for number, alias in enumerate(node.names)
    ]


def _is_function(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)


def _names_within(node: ast.AST) -> set[str]:
    """Return the names of a function, a lambda or a comprehension that are its own."""
    names: set[str] = set()
    for each in ast.walk(node):
        if isinstance(each, ast.ExceptHandler):
            names.add(each.name or "")
        elif isinstance(each, ast.arg):
            names.add(each.arg)
        elif isinstance(each, ast.Name) and isinstance(each.ctx, ast.Store):
            names.add(each.id)
        elif each is not node and isinstance(
            each, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        ):
            names.add(each.name)
    for each in ast.walk(node):
        if isinstance(each, ast.Global):
            names.difference_update(each.names)
    return names


def _root(node: ast.AST) -> str:
    """Return the name that a chain of attributes, items and calls begins with."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def _text(node: ast.AST) -> str:
    return ast.unparse(node)


def _constant(node: ast.AST) -> object:
    return node.value if isinstance(node, ast.Constant) else None


def _keys(call: ast.Call) -> list[object]:
    """Return the variables that a call for `os.environ` is about; None for unknown."""
    first = call.args[0] if call.args else None
    if isinstance(first, ast.Dict):
        keys = [_constant(key) if key else None for key in first.keys]
    else:
        keys = [_constant(first)] if first is not None else []
    return keys + [each.arg for each in call.keywords if each.arg != "default"]


def _may_write(call: ast.Call) -> bool:
    """Whether a call of `open` is for more than reading."""
    modes = [*call.args[1:2], *(k.value for k in call.keywords if k.arg == "mode")]
    return any(
        not isinstance(_constant(mode), str) or set(str(_constant(mode))) & set("wax+")
        for mode in modes
    )
