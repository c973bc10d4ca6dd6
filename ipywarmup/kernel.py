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
import html
import re
import signal
import sys
import threading
import weakref
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType


_NO_TEXT = re.compile(r"<[\w.]+ object")
"""How a text begins that says nothing of what is displayed."""
_TAG = re.compile(r"<[^<>]*>")
_WIDGET = "application/vnd.jupyter.widget-view+json"


class Place(NamedTuple):
    """
    Where the outputs of a cell go.

    Parameters
    ----------
    parent : dict or None
        The request for the cell, in a kernel.
    number : int
        The number of the cell.
    """

    parent: dict[str, Any] | None
    number: int


def running_shell() -> Any | None:  # noqa: ANN401 - IPython is not imported here
    """Return the IPython shell of this process, without importing IPython."""
    getipython = sys.modules.get("IPython.core.getipython")
    get_ipython = getattr(getipython, "get_ipython", None)
    return get_ipython() if callable(get_ipython) else None


# The shell whose names are kept.
_kept: Any = None


def keep_builtins() -> None:
    """
    Keep `get_ipython` among the built-in names between the cells, too.

    IPython puts it there while a cell runs. Modules ask for it to find out where they
    are: without it, pandas lays its tables out for a terminal from then on. Nothing is
    done on another thread than the main one, where that is no single step.
    """
    global _kept  # noqa: PLW0603
    shell = running_shell() if _kept is None else None
    if shell is not None and threading.current_thread() is threading.main_thread():
        shell.builtin_trap.__enter__()
        _kept = shell


def release_builtins() -> None:
    """Leave the built-in names to IPython again."""
    global _kept
    shell, _kept = _kept, None
    if shell is not None:
        shell.builtin_trap.__exit__(None, None, None)


def is_kernel(shell: object) -> bool:
    """Whether a shell belongs to a kernel, not to a terminal."""
    return getattr(shell, "kernel", None) is not None


def once_running(call: Callable[[], object]) -> bool:
    """
    Call something on the main thread as soon as a kernel that starts takes requests.

    Returns
    -------
    bool
        False, and nothing will be called, if the kernel has no loop of a known kind:
        those that this file was checked on run tornado's current one.
    """
    loops = getattr(sys.modules.get("tornado.ioloop"), "IOLoop", None)
    if loops is None:
        return False
    loops.current().add_callback(call)
    return True


def is_attended(shell: Any) -> bool:  # noqa: ANN401
    """
    Whether somebody looks at what a cell shows after its end.

    Tools that run a notebook in one go ask for no input, and read no more of a cell
    once it has ended; a script in a terminal leaves after its last line.
    """
    if is_kernel(shell):
        return bool(getattr(shell.kernel, "_allow_stdin", False))
    return bool(getattr(shell.parent, "interact", False))


def between_cells(shell: Any) -> Callable[[Callable[[], object]], object] | None:  # noqa: ANN401
    """
    Return what calls something as soon as no cell runs.

    Called by a cell, whose context variables the call sees, in a copy.

    Returns
    -------
    callable or None
        Takes a function of no arguments, on any thread. None in a terminal, and where
        the kernel's loop is of no known kind.
    """
    loops = getattr(sys.modules.get("tornado.ioloop"), "IOLoop", None)
    if loops is None or not is_kernel(shell):
        return None
    loop, context = loops.current(), contextvars.copy_context()

    def run(call: Callable[[], object]) -> None:
        # Where outputs go that belong to no context.
        latest = contextvars.Context().run(shell.get_parent)
        former = signal.signal(signal.SIGINT, _interrupt)
        try:
            context.run(call)
        finally:
            signal.signal(signal.SIGINT, former)
            contextvars.Context().run(shell.set_parent, latest)

    return lambda call: loop.add_callback(run, call)


# Whether an interrupt between cells is to be raised.
_interruptible = False


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Interrupt what runs between cells, once, if it is code of the user's."""
    global _interruptible  # noqa: PLW0603
    if _interruptible:
        _interruptible = False
        signal.default_int_handler(number, frame)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Have an interrupt reach a block between cells; as in a kernel, no other does."""
    global _interruptible  # noqa: PLW0603
    former, _interruptible = _interruptible, True
    try:
        yield
    finally:
        _interruptible = former


def place_of_cell(shell: Any) -> Place:  # noqa: ANN401
    """Return where the outputs of the cell that runs go."""
    parent = shell.get_parent() if is_kernel(shell) else None
    return Place(parent, shell.execution_count)


@contextlib.contextmanager
def in_place(shell: Any, place: Place) -> Iterator[None]:  # noqa: ANN401
    """Show what a block writes, displays and raises in a cell that ran before."""
    former = place_of_cell(shell)
    with shell.builtin_trap, shell.display_trap, contextlib.ExitStack() as stack:
        # Others may count cells meanwhile.
        shell.execution_count += place.number - former.number
        stack.callback(_count, shell, former.number - place.number)
        # It would look at the end of the cell that ran last.
        shell.displayhook.quiet = lambda: False
        stack.callback(vars(shell.displayhook).pop, "quiet", None)
        if place.parent is not None:
            stack.callback(_set_back, shell, former.parent, contextvars.copy_context())
            stack.callback(_flush)
            _flush()
            shell.set_parent(place.parent)
        yield


def _set_back(
    shell: Any,  # noqa: ANN401
    parent: dict[str, Any] | None,
    before: contextvars.Context,
) -> None:
    """Have outputs go where they went, and leave no context variable changed by it."""
    block = contextvars.copy_context()
    shell.set_parent(parent)
    for variable, value in contextvars.copy_context().items():
        if variable in before and block.get(variable) is not value:
            variable.set(before[variable])


def _count(shell: Any, cells: int) -> None:  # noqa: ANN401
    shell.execution_count += cells


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.flush()


def is_outstream(stream: object) -> bool:
    """Whether a stream is the one through which a kernel writes to its cells."""
    return hasattr(stream, "echo") and hasattr(stream, "pub_thread")


widgets: list[dict[str, Any]] = []
"""What imports have displayed that text says nothing of, as bundles for `display`."""

# Those that have been seen.
_outstreams = weakref.WeakSet[Any]()


def outstreams() -> list[Any]:
    """Return the streams of the kernel, also where a capture hides one by now."""
    _outstreams.update(filter(is_outstream, (sys.stdout, sys.stderr)))
    return list(_outstreams)


class OutStreamTap:
    """
    Hear what is written to a kernel's stream, on the thread that writes it.

    An OutStream hands all text to its `echo`, a stream that kernels rarely have.

    Parameters
    ----------
    stream : ipykernel.iostream.OutStream
    hear : callable
        Takes the text; what it does not claim by returning True goes to the
        stream's former echo.
    """

    def __init__(self, stream: Any, hear: Callable[[str], bool]) -> None:  # noqa: ANN401
        self._stream = stream
        self._hear = hear
        self._former = stream.echo
        stream.echo = self

    def write(self, text: str) -> None:
        """Take part in what is written."""
        if not self._hear(text) and self._former is not None:
            self._former.write(text)

    def flush(self) -> None:
        """Flush the former echo."""
        if self._former is not None:
            self._former.flush()

    def remove(self) -> None:
        """Give the stream its former echo back."""
        if self._stream.echo is self:
            self._stream.echo = self._former


@contextlib.contextmanager
def outside_cells(hear: Callable[[str], object] | None = None) -> Iterator[None]:
    """
    Address what the calling thread writes or displays to no cell.

    Parameters
    ----------
    hear : callable, optional
        Takes what is displayed, as text.
    """
    shell = running_shell()
    if shell is None or not is_kernel(shell):
        yield
        return
    with contextlib.ExitStack() as stack:
        if hear is not None or not hasattr(shell, "set_thread_parent"):
            _take_displays(stack, shell, hear or _drop)
        if hasattr(shell, "set_thread_parent"):
            tokens = shell.set_thread_parent({})
            stack.callback(shell.reset_thread_parent, tokens)
            for stream in outstreams():
                if stream not in {sys.stdout, sys.stderr}:
                    token = stream.set_thread_parent({})
                    stack.callback(stream.reset_thread_parent, token)
        else:
            _detach_streams(stack)
        yield


def _detach_streams(stack: contextlib.ExitStack) -> None:
    """Empty the parent that ipykernel 6.29 to 7.3 keep in a context variable."""
    for stream in outstreams():
        parent = getattr(stream, "_parent_header", None)
        if isinstance(parent, contextvars.ContextVar):
            stack.callback(parent.reset, parent.set({}))


def _take_displays(
    stack: contextlib.ExitStack,
    shell: Any,  # noqa: ANN401
    hear: Callable[[str], object],
) -> None:
    """Hear what is displayed, and show it to nobody; ipykernel asks these by thread."""
    publisher = getattr(shell, "display_pub", None)
    if publisher is None or not hasattr(publisher, "register_hook"):
        return

    def take(message: Any) -> None:  # noqa: ANN401
        data = message.get("content", {}).get("data")
        if data and _WIDGET in data:
            widgets.append(data)
            hear(f"{_as_text(data)} (a widget; %warmup status shows it)\n")
        elif data:
            hear(f"{_as_text(data)}\n")

    publisher.register_hook(take)
    stack.callback(publisher.unregister_hook, take)


def _as_text(data: dict[str, Any]) -> str:
    """Return what can be read of something displayed."""
    text, page = str(data.get("text/plain", "")), data.get("text/html")
    if isinstance(page, str) and (not text or _NO_TEXT.match(text)):
        return html.unescape(_TAG.sub(" ", page)).strip()
    return text


def _drop(text: str) -> None:
    """Take something out of circulation."""
