"""
What a worker thread shows, kept out of the cells of an IPython kernel.

A kernel addresses every output to the cell that is its "parent". A thread that
belongs to no cell needs an empty parent, for which only ipykernel 7.4 has a
call (`set_thread_parent`). This file holds all that the package knows of
ipykernel's inner life; it was checked on ipykernel 6.29.5, 6.31.0, 7.1.0, 7.3.0
and 7.4.0. Where nothing of it is found, outputs go where the kernel sends them.
"""

from __future__ import annotations

import contextlib
import contextvars
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator


def running_shell() -> Any | None:  # noqa: ANN401 - IPython is not imported here
    """Return the IPython shell of this process, without importing IPython."""
    getipython = sys.modules.get("IPython.core.getipython")
    get_ipython = getattr(getipython, "get_ipython", None)
    return get_ipython() if callable(get_ipython) else None


def is_kernel(shell: object) -> bool:
    """Whether a shell belongs to a kernel, not to a terminal."""
    return getattr(shell, "kernel", None) is not None


@contextlib.contextmanager
def outside_cells() -> Iterator[None]:
    """Address what the calling thread writes or displays to no cell."""
    shell = running_shell()
    if shell is None or not is_kernel(shell):
        yield
        return
    with contextlib.ExitStack() as stack:
        if hasattr(shell, "set_thread_parent"):
            tokens = shell.set_thread_parent({})
            stack.callback(shell.reset_thread_parent, tokens)
        else:
            _detach_streams(stack)
            _detach_display(stack, shell)
        yield


def _detach_streams(stack: contextlib.ExitStack) -> None:
    """Empty the parent that ipykernel 6.29 to 7.3 keep in a context variable."""
    for stream in (sys.stdout, sys.stderr):
        parent = getattr(stream, "_parent_header", None)
        if isinstance(parent, contextvars.ContextVar):
            stack.callback(parent.reset, parent.set({}))


def _detach_display(stack: contextlib.ExitStack, shell: Any) -> None:  # noqa: ANN401
    """Drop what is displayed; ipykernel keeps these hooks for each thread."""
    publisher = getattr(shell, "display_pub", None)
    if publisher is not None and hasattr(publisher, "register_hook"):
        publisher.register_hook(_drop)
        stack.callback(publisher.unregister_hook, _drop)


def _drop(message: object) -> None:
    """Take a message out of circulation."""
