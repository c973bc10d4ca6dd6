"""What a forked child has to forget: threads, and the locks that they held."""

from __future__ import annotations

import contextlib
import inspect
import os
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable


class _Call(NamedTuple):
    owner: weakref.ref[Any] | None
    function: Callable[..., object]


_calls: list[_Call] = []


def in_child(call: Callable[[], object]) -> None:
    """
    Call something in every child process, right after the fork.

    Parameters
    ----------
    call : callable
        A bound method does not keep its object alive.
    """
    if not _calls and hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_call_all)
    for each in _calls.copy():
        if each.owner is not None and each.owner() is None:
            with contextlib.suppress(ValueError):  # another thread was faster
                _calls.remove(each)
    # No `WeakMethod`: a Ctrl-C is lost in what that has called when its object goes.
    if inspect.ismethod(call):
        _calls.append(_Call(weakref.ref(call.__self__), call.__func__))
    else:
        _calls.append(_Call(None, call))


def _call_all() -> None:
    for owner, function in _calls.copy():
        if owner is None:
            function()
        elif (alive := owner()) is not None:
            function(alive)
