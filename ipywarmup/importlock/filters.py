"""
Warnings filters, a set of its own for each importing thread.

`warnings.catch_warnings` saves the filters of the process and puts them back. Two
threads that do so in turns put back each other's: a user's block loses its filters
in the middle, or keeps those of an import for good. So `warnings.filters` and what
goes with it are looked up by thread while workers import: a worker starts from a copy,
and what its modules add for good is handed to everybody at the end.

This file holds what the package knows of the inside of `warnings`; it was checked on
CPython 3.11.7, 3.12.1 and 3.13.0. From 3.14 on, where `warnings` can keep filters by
context itself, nothing is changed.
"""

from __future__ import annotations

import contextlib
import copyreg
import sys
import threading
import warnings
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ipywarmup.forks import in_child
from ipywarmup.importlock.partial import by_name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_warnings: Any = warnings
_BY_THREAD = ("filters", "showwarning", "_showwarnmsg_impl")
"""What `catch_warnings` saves and puts back."""
_FUNCTIONS = ("_add_filter", "_showwarnmsg", "resetwarnings")
"""What looks those up in its own globals, where no class can see to it."""
_shared = vars(warnings)
# Re-entrant, for a finalizer that imports.
_lock = threading.RLock()
# Never cleared: a call of ours may end after the originals are back.
_originals: dict[str, Callable[..., Any]] = {}
# Of the process: the filters in force last, those that blocks have saved before them.
_stack: list[list[Any]] = []
# What else was in force before the first of those blocks.
_outside: dict[str, Any] = {}
_installed = _leaving = False


class _State:
    """What `warnings` looks up for one thread that imports."""

    def __init__(self) -> None:
        # A block of the user's own is not meant for the imports.
        outside = _outside if len(_stack) > 1 else _shared
        self.values = {name: outside[name] for name in _BY_THREAD if name in outside}
        self.given = self.values.copy()
        filters = list(_stack[0])
        self.values["filters"] = filters
        self.stack = [filters]
        self.before = filters.copy()


_states: dict[int, _State] = {}


def _values() -> dict[str, Any]:
    state = _states.get(threading.get_ident())
    return _shared if state is None else state.values


def _by_thread(name: str) -> property:
    def get(_: ModuleType) -> Any:  # noqa: ANN401
        try:
            return _values()[name]
        except KeyError:
            raise AttributeError(
                f"module 'warnings' has no attribute {name!r}"
            ) from None

    def set_(_: ModuleType, value: Any) -> None:  # noqa: ANN401
        _values()[name] = value
        if name == "filters":
            _note(value)

    def delete(module: ModuleType) -> None:
        get(module)
        del _values()[name]

    return property(get, set_, delete)


class _Warnings(ModuleType):
    """The module `warnings`, with filters by thread."""


for _name in _BY_THREAD:
    setattr(_Warnings, _name, _by_thread(_name))
_Warnings.__name__ = _Warnings.__qualname__ = ModuleType.__name__
_Warnings.__module__ = ModuleType.__module__


def _note(filters: list[Any]) -> None:
    """Tell a block that begins, with filters of its own, from one that ends."""
    state = _states.get(threading.get_ident())
    stack = _stack if state is None else state.stack
    for position, saved in enumerate(stack):
        if saved is filters:
            del stack[position + 1 :]
            return
    if stack is _stack and len(stack) == 1:
        _outside.update({name: _shared.get(name) for name in _BY_THREAD})
    stack.append(filters)


# In place of the module's own, which look up their globals. The first two do in words
# what those do; anything that is missing here, `warnings` does itself.


def _add_filter(*item: Any, append: bool) -> None:  # noqa: ANN401
    filters = _warnings.filters
    if append:
        if item not in filters:
            filters.append(item)
    else:
        with contextlib.suppress(ValueError):
            filters.remove(item)
        filters.insert(0, item)
    _warnings._filters_mutated()  # noqa: SLF001


def _resetwarnings() -> None:
    _warnings.filters[:] = []
    _warnings._filters_mutated()  # noqa: SLF001


def _showwarnmsg(message: Any) -> None:  # noqa: ANN401
    state = _states.get(threading.get_ident())
    if state is None:
        _originals["_showwarnmsg"](message)
        return
    original = _warnings._showwarning_orig  # noqa: SLF001
    show = state.values.get("showwarning", original)
    if show is original:
        state.values["_showwarnmsg_impl"](message)
    else:
        details = ("message", "category", "filename", "lineno", "file", "line")
        show(*(getattr(message, name) for name in details))


def supported() -> bool:
    """Whether this Python's `warnings` is one that is known here."""
    return sys.version_info < (3, 14) and all(
        name in _shared for name in (*_BY_THREAD, *_FUNCTIONS, "_filters_mutated")
    )


@contextlib.contextmanager
def own_filters() -> Iterator[None]:
    """
    Give the calling thread warnings filters of its own during a block.

    What it changes for good, outside of `catch_warnings`, is handed to the process by
    `hand_over`, and at the end.
    """
    me = threading.get_ident()
    with _lock:
        outermost = _installed and me not in _states
        if outermost:
            _states[me] = _State()
    try:
        yield
    finally:
        if outermost:
            with _lock:
                hand_over()
                _states.pop(me, None)
                if _leaving and not _states:
                    _remove()


def hand_over() -> None:
    """Give the process what the calling thread has changed, unless in a block."""
    state = _states.get(threading.get_ident())
    if state is None or len(state.stack) > 1:
        return
    with _lock:
        filters = state.stack[0]
        if filters != state.before:
            _stack[0][:] = _merged(state.before, filters, _stack[0])
            state.before = filters.copy()
            _warnings._filters_mutated()  # noqa: SLF001
        for name in ("showwarning", "_showwarnmsg_impl"):
            value = state.values.get(name)
            if value is not state.given.get(name):
                state.given[name] = _shared[name] = value


def _merged(before: list[Any], after: list[Any], now: list[Any]) -> list[Any]:
    """Do to the filters that are there now what has led from `before` to `after`."""
    # What was added meanwhile stays where it is, what was removed stays away.
    added = [item for item in now if item not in before]
    kept = [item for item in after if item in now or item not in before]
    first = next((n for n, item in enumerate(now) if item in before), len(now))
    front = [item for item in now[:first] if item not in kept]
    back = [item for item in added if item not in kept and item not in front]
    return front + kept + back


def install() -> None:
    """Look filters up by thread; to be called outside of `catch_warnings`."""
    global _installed, _leaving  # noqa: PLW0603 - one for the process, as `warnings` is
    with _lock:
        _leaving = False
        if not supported():
            return
        if not _installed:
            _stack[:] = [_shared["filters"]]
            _originals.update({name: _shared[name] for name in _FUNCTIONS})
            # From here on what is in their place is not taken for an original, should
            # this be interrupted.
            _installed = True
        _shared.update(
            _add_filter=_add_filter,
            _showwarnmsg=_showwarnmsg,
            resetwarnings=_resetwarnings,
        )
        warnings.__class__ = _Warnings


def remove() -> None:
    """Make `warnings` as it was, once no thread has filters of its own any more."""
    global _leaving  # noqa: PLW0603
    with _lock:
        _leaving = True
        if _installed and not _states:
            _remove()


def _remove() -> None:
    global _installed  # noqa: PLW0603
    warnings.__class__ = ModuleType
    _shared.update(_originals)
    _installed = False
    _stack.clear()


def _forget_threads() -> None:
    """Keep the filters of the calling thread only, in a forked child."""
    global _lock  # noqa: PLW0603 - the old one may be held for ever
    _lock = threading.RLock()
    for thread in _states.keys() - {threading.get_ident()}:
        del _states[thread]
    if _leaving and _installed and not _states:
        _remove()


in_child(_forget_threads)
copyreg.pickle(_Warnings, by_name)
