"""
What an import leaves to the thread that made it, and to no other.

Context variables and the attributes of a `threading.local` that a worker has set are
handed to the main thread, where a plain import would have set them. A connection of
`sqlite3` cannot be: it only works on the thread that made it.
"""

from __future__ import annotations

import contextlib
import contextvars
import itertools
import sys
import threading
from importlib.machinery import ExtensionFileLoader
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ipywarmup.importlock.bootstrap import spec_of

if TYPE_CHECKING:
    from collections.abc import Iterator

_MISSING = object()
# What imports on workers have set, for the main thread to take.
_deposited: list[ThreadState] = []


class ThreadState:
    """
    What an import has set for its thread alone.

    Parameters
    ----------
    variables : dict of contextvars.ContextVar to object
    attributes : list of tuple of threading.local and dict
    unmovable : set of str
        The modules that hold what no other thread can use.
    """

    def __init__(self) -> None:
        # The module that came last before, to tell later ones by.
        self.latest = next(reversed(sys.modules))
        self.variables: dict[contextvars.ContextVar[Any], Any] = {}
        self.attributes: list[tuple[Any, dict[str, Any]]] = []
        self.unmovable: set[str] = set()

    def adopt(self) -> None:
        """Set it for the calling thread, too, but for what that has set itself."""
        context = contextvars.copy_context()
        for variable, value in self.variables.items():
            if variable not in context:
                variable.set(value)
        for local, attributes in self.attributes:
            for name, value in attributes.items():
                if name not in vars(local):
                    setattr(local, name, value)


def adopt() -> None:
    """Set what imports have set for the thread of cells, if that is the calling one."""
    if _deposited and threading.current_thread() is threading.main_thread():
        while _deposited:
            _deposited.pop(0).adopt()


@contextlib.contextmanager
def noted() -> Iterator[ThreadState]:
    """
    Note down what the calling thread sets for itself alone, for `adopt` to take.

    Yields
    ------
    ThreadState
        Filled at the end of the block.
    """
    state = ThreadState()
    before = contextvars.copy_context()
    try:
        yield state
    finally:
        for variable, value in contextvars.copy_context().items():
            if before.get(variable, _MISSING) is not value:
                state.variables[variable] = value
        for name in _new_since(state.latest):
            for value in _values(name):
                _note(state, name, value)
        if state.variables or state.attributes:
            _deposited.append(state)


def forget_unmovable(state: ThreadState, name: str) -> None:
    """
    Take modules out of `sys.modules` that hold what no other thread can use.

    So does every module that has come with them and refers to one of them, and the one
    that was asked for, with its package. Extension modules stay, since some cannot be
    loaded twice.

    Parameters
    ----------
    state : ThreadState
        Of the import.
    name : str
        The module that was asked for.
    """
    new = set(_new_since(state.latest))
    tops = {each.partition(".")[0] for each in (name, *state.unmovable)}
    gone = {each for each in new if each.partition(".")[0] in tops}
    while more := {
        each
        for each in new - gone
        if any(_belongs_to(value, gone) for value in _values(each))
    }:
        gone |= more
    for each in gone:
        loader = getattr(spec_of(sys.modules.get(each)), "loader", None)
        if not isinstance(loader, ExtensionFileLoader):
            sys.modules.pop(each, None)


def _new_since(latest: str) -> list[str]:
    # As many steps as there are new ones, and none in which another thread may run.
    return list(itertools.takewhile(latest.__ne__, reversed(sys.modules)))


def _values(name: str) -> list[object]:
    """Return what the globals of a module are, without asking it for anything."""
    module = sys.modules.get(name)
    if not issubclass(type(module), ModuleType):
        return []
    return list(ModuleType.__getattribute__(module, "__dict__").values())


def _note(state: ThreadState, module: str, value: object) -> None:
    if _is_unmovable(value):
        state.unmovable.add(module)
    elif issubclass(type(value), threading.local) and (attributes := vars(value)):
        if any(map(_is_unmovable, attributes.values())):
            state.unmovable.add(module)
        else:
            state.attributes.append((value, dict(attributes)))


def _is_unmovable(value: object) -> bool:
    """Whether a value is a connection of sqlite3, found without importing that."""
    return any(
        kind.__module__ == "sqlite3" and kind.__name__ == "Connection"
        for kind in type(value).__mro__
    )


def _belongs_to(value: object, modules: set[str]) -> bool:
    """Whether a value is one of some modules, or was made in one."""
    if issubclass(type(value), ModuleType):
        return ModuleType.__getattribute__(value, "__dict__").get("__name__") in modules
    made_in = value.__dict__.get("__module__") if type(value) is type else None
    if hasattr(type(value), "__code__"):
        made_in = getattr(value, "__module__", None)
    return made_in in modules
