"""What a forked child has to forget: threads, and the locks that they held."""

from __future__ import annotations

import contextlib
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
    for reference in _calls.copy():
        if reference() is None:
            with contextlib.suppress(ValueError):  # another thread was faster
                _calls.remove(reference)
    _calls.append(weakref.WeakMethod(call) if inspect.ismethod(call) else lambda: call)


def _call_all() -> None:
    for reference in _calls.copy():
        call = reference()
        if call is not None:
            call()
