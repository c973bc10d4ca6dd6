"""What modules print while a worker imports them: collected, not shown."""

from __future__ import annotations

import contextlib
import functools
import sys
import threading
from typing import TYPE_CHECKING, Any

from ipywarmup.forks import in_child
from ipywarmup.kernel import OutStreamTap, is_outstream, outside_cells, outstreams
from ipywarmup.prompt import PromptTap, is_prompt_stream

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIMIT = 65_536
"""Characters of output kept for one import."""


class Output:
    """The text that one thread wrote, up to `LIMIT` characters."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._room = LIMIT
        self._dropped = 0

    def write(self, text: str) -> int:
        """Keep `text` if there is room, as a text stream would."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        kept = text[: self._room]
        if kept:
            self._parts.append(kept)
        self._room -= len(kept)
        self._dropped += len(text) - len(kept)
        return len(text)

    def text(self) -> str | None:
        """Return what was kept, None if nothing was written."""
        if not self._parts:
            return None
        text = "".join(self._parts)
        if self._dropped:
            text += f"\n[{self._dropped} more characters were not kept]"
        return text


# Guarantees
# - While a thread is inside `collected`, what it writes to sys.stdout and
#   sys.stderr is collected, and no cell and no terminal shows it; other threads
#   write as they always did.
# - When the last thread has left, the streams are as they were found; where a
#   prompt waits at that moment, as soon as it has its line.
# This code assumes
# - that `print`, `warnings` and `logging` write to whatever sys.stdout and
#   sys.stderr are at that moment. What somebody else has put there since then
#   (`redirect_stdout`, `%%capture`) gets it, as do bytes written to
#   `stream.buffer`, and what C code writes to a file descriptor.
_lock = threading.Lock()
# By thread; None where a thread is inside `shown`.
_outputs: dict[int, Output | None] = {}
_taps: list[OutStreamTap | _StandardStream] = []
# By name, for good: `print` (of 3.11.7, and later) does not hold the stream that it
# writes to, and crashes where another thread drops the last reference meanwhile.
_stand_ins: dict[str, _StandardStream] = {}


def _collect(text: str) -> bool:
    """Keep text for the calling thread; False if its output is not collected."""
    output = _outputs.get(threading.get_ident())
    if output is None:
        return False
    output.write(text)
    return True


class _StandardStream:
    """
    Stand in for `sys.stdout` or `sys.stderr` in a terminal or a script.

    A stand-in, since IPython 9 saves the `write` of the stream itself at the start
    of a cell and puts it back at the end: a function of ours there would be lost
    within a cell, or stay for good.
    """

    def __init__(self, name: str, stream: Any) -> None:  # noqa: ANN401
        self._name = name
        self._stream = stream
        self._write: Callable[[str], Any] = stream.write

    def install(self) -> None:
        """Stand where the stream stands."""
        self._write = self._stream.write
        setattr(sys, self._name, self)

    def stands_for(self, stream: object) -> bool:
        """Whether this is the stand-in of a stream."""
        return self._stream is stream

    @property
    def write(self) -> Callable[[str], Any]:
        """Write as the stream does, unless this thread's output is collected."""
        return functools.partial(self._offer, self._write)

    @write.setter
    def write(self, write: Callable[[str], Any]) -> None:
        # IPython steps in front of the write of the stand-in, too, and puts back
        # what it found; taken as it is, that would grow by a layer with each cell.
        if isinstance(write, functools.partial) and write.func == self._offer:
            (write,) = write.args
        self._write = write

    def _offer(self, write: Callable[[str], Any], text: str) -> Any:  # noqa: ANN401
        return len(text) if _collect(text) else write(text)

    def writelines(self, lines: list[str]) -> None:
        """Write each line."""
        for line in lines:
            self.write(line)

    def __getattr__(self, attribute: str) -> Any:  # noqa: ANN401 - of any stream
        return getattr(self._stream, attribute)

    def remove(self) -> None:
        """Put the stream back, unless somebody has put another there meanwhile."""
        if getattr(sys, self._name) is self:
            setattr(sys, self._name, self._stream)


def _tap() -> None:
    """Step in front of both streams where nobody of ours stands yet."""
    _taps.extend(
        OutStreamTap(stream, _collect)
        for stream in outstreams()
        if not isinstance(stream.echo, OutStreamTap)
    )
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if is_outstream(stream):
            continue
        _prompt.install()
        standing = isinstance(stream, _StandardStream) or is_prompt_stream(stream)
        if hasattr(stream, "write") and not standing:
            stand_in = _stand_ins.get(name)
            if stand_in is None or not stand_in.stands_for(stream):
                stand_in = _stand_ins[name] = _StandardStream(name, stream)
            stand_in.install()
            _taps.append(stand_in)


def _untap() -> None:
    """Step out again, the last to come first."""
    while _taps:
        _taps.pop().remove()
    for name in ("stdout", "stderr"):
        # A redirection may have brought back a stand-in that was gone already.
        stream = getattr(sys, name)
        if isinstance(stream, _StandardStream):
            stream.remove()
    _prompt.remove()


def _after_prompt() -> None:
    """Catch up with what a prompt's streams have kept us from."""
    with _lock:
        if _outputs:
            _tap()
        else:
            _untap()


_prompt = PromptTap(_collect, _after_prompt)


def _forget_threads() -> None:
    """Collect for nobody in a process that has none of the threads that printed."""
    global _lock  # noqa: PLW0603 - the old one may be held for ever
    _lock = threading.Lock()
    for thread_id in _outputs.keys() - {threading.get_ident()}:
        del _outputs[thread_id]
    if not _outputs:
        _untap()


in_child(_forget_threads)


@contextlib.contextmanager
def collected() -> Iterator[Output]:
    """
    Collect what the calling thread prints, and keep it out of all cells.

    Yields
    ------
    Output
        Fills while the block runs.
    """
    thread_id = threading.get_ident()
    output = Output()
    with _lock:
        outer = _outputs.get(thread_id)
        _outputs[thread_id] = output
        _tap()
    try:
        with outside_cells(output.write):
            yield output
    finally:
        with _lock:
            if outer is None:
                del _outputs[thread_id]
            else:
                _outputs[thread_id] = outer
            if not _outputs:
                _untap()


@contextlib.contextmanager
def shown() -> Iterator[None]:
    """Show what the calling thread writes, even inside `collected`."""
    thread_id = threading.get_ident()
    output = _outputs.get(thread_id)
    if output is None:
        yield
        return
    _outputs[thread_id] = None
    try:
        yield
    finally:
        _outputs[thread_id] = output
