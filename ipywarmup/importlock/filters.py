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
import sys
import threading
import warnings
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ipywarmup.forks import in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_warnings: Any = warnings
_BY_THREAD = ("filters", "showwarning", "_showwarnmsg_impl")
"""What `catch_warnings` saves and puts back."""
_FUNCTIONS = ("_add_filter", "_showwarnmsg", "resetwarnings")
"""What looks those up in its own globals, where no class can see to it."""
_shared = vars(warnings)
_lock = threading.Lock()
# By thread that imports.
_states: dict[int, dict[str, Any]] = {}
_originals: dict[str, Callable[..., Any]] = {}
# The filters of the process, and under them those that blocks under way have saved.
_stack: list[list[Any]] = []
_leaving = False


def _state() -> dict[str, Any]:
    return _states.get(threading.get_ident(), _shared)


def _by_thread(name: str) -> property:
    def get(_: ModuleType) -> Any:  # noqa: ANN401
        try:
            return _state()[name]
        except KeyError:
            raise AttributeError(
                f"module 'warnings' has no attribute {name!r}"
            ) from None

    def set_(_: ModuleType, value: Any) -> None:  # noqa: ANN401
        state = _state()
        state[name] = value
        if name == "filters" and state is _shared:
            _note(value)

    return property(get, set_)


class _Warnings(ModuleType):
    """The module `warnings`, with filters by thread."""


for _name in _BY_THREAD:
    setattr(_Warnings, _name, _by_thread(_name))
_Warnings.__name__ = _Warnings.__qualname__ = ModuleType.__name__
_Warnings.__module__ = ModuleType.__module__


def _note(filters: list[Any]) -> None:
    """Tell a block that begins, with filters of its own, from one that ends."""
    for position, saved in enumerate(_stack):
        if saved is filters:
            del _stack[position + 1 :]
            return
    _stack.append(filters)


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
    elif state["showwarning"] is not _warnings._showwarning_orig:  # noqa: SLF001
        details = ("message", "category", "filename", "lineno", "file", "line")
        state["showwarning"](*(getattr(message, name) for name in details))
    else:
        state["_showwarnmsg_impl"](message)


def supported() -> bool:
    """Whether this Python's `warnings` is one that is known here."""
    return sys.version_info < (3, 14) and all(
        name in _shared for name in (*_BY_THREAD, *_FUNCTIONS, "_filters_mutated")
    )


@contextlib.contextmanager
def own_filters() -> Iterator[None]:
    """
    Give the calling thread warnings filters of its own during a block.

    What is added to them for good, outside of `catch_warnings`, is added to those of
    the process in the end.
    """
    me = threading.get_ident()
    if not _originals or me in _states:
        yield
        return
    with _lock:
        filters = list(_shared["filters"])
        before = filters.copy()
        _states[me] = {name: _shared[name] for name in _BY_THREAD} | {
            "filters": filters
        }
    try:
        yield
    finally:
        with _lock:
            after = _states.pop(me)["filters"]
            _hand_over(before, after)
            if _leaving and not _states:
                _remove()


def _hand_over(before: list[Any], after: list[Any]) -> None:
    """Add what a thread has added to its filters to those below all blocks."""
    added = [item for item in after if item not in before]
    if not added:
        return
    # In front of what was there when the thread began, or at the end.
    first = next((n for n, item in enumerate(after) if item in before), len(after))
    _stack[0][:0] = [item for item in after[:first] if item not in _stack[0]]
    _stack[0].extend(item for item in added if item not in _stack[0])
    _warnings._filters_mutated()  # noqa: SLF001


def install() -> None:
    """Look filters up by thread; to be called outside of `catch_warnings`."""
    global _leaving  # noqa: PLW0603 - one for the process, as `warnings` is
    with _lock:
        _leaving = False
        if _originals or not supported():
            return
        _stack[:] = [_shared["filters"]]
        _originals.update({name: _shared[name] for name in _FUNCTIONS})
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
        if _originals and not _states:
            _remove()


def _remove() -> None:
    warnings.__class__ = ModuleType
    _shared.update(_originals)
    _originals.clear()
    _stack.clear()


def _forget_threads() -> None:
    """Keep the filters of the calling thread only, in a forked child."""
    global _lock  # noqa: PLW0603 - the old one may be held for ever
    _lock = threading.Lock()
    for thread in _states.keys() - {threading.get_ident()}:
        del _states[thread]
    if _originals and not _states:
        _remove()


in_child(_forget_threads)
