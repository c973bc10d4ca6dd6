"""What a forked child has to forget: threads, and the locks that they held."""

from __future__ import annotations

import inspect
import os
import weakref
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    Reference = Callable[[], Callable[[], object] | None]

_calls: list[Reference] = []


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
    if inspect.ismethod(call):
        # It goes with the object.
        _calls.append(weakref.WeakMethod(call, _calls.remove))
    else:
        _calls.append(lambda: call)


def _call_all() -> None:
    for reference in _calls.copy():
        call = reference()
        if call is not None:
            call()
