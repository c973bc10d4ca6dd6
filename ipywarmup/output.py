"""What modules print while a worker imports them: collected, not shown."""

from __future__ import annotations

import contextlib
import sys
import threading
from typing import TYPE_CHECKING, Any

from ipywarmup.kernel import outside_cells

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
#   sys.stderr goes to its Output alone; other threads write as they always did.
# - When the last thread has left, the streams are as they were found. It is the
#   stream's own `write` that is stepped in front of, not the name sys.stdout:
#   so a `redirect_stdout` elsewhere can neither lose nor resurrect the tap.
# This code assumes
# - that `print`, `warnings` and `logging` look `write` up on the stream at each
#   call, as they do. Bytes written to `stream.buffer`, and what C code writes to
#   a file descriptor, pass by.
_lock = threading.Lock()
_outputs: dict[int, Output] = {}
_taps: list[_Tap] = []


class _Tap:
    """One stream's `write`, stepped in front of."""

    def __init__(self, stream: Any) -> None:  # noqa: ANN401 - any text stream
        self.stream = stream
        self._own: Callable[[str], Any] | None = vars(stream).get("write")
        original: Callable[[str], Any] = stream.write

        def write(text: str) -> Any:  # noqa: ANN401 - what the stream returns
            output = _outputs.get(threading.get_ident())
            return original(text) if output is None else output.write(text)

        self._write = write
        stream.write = write

    def remove(self) -> None:
        """Step out, unless somebody has stepped in front of us meanwhile."""
        if vars(self.stream).get("write") is not self._write:
            return
        if self._own is None:
            del self.stream.write
        else:
            self.stream.write = self._own


@contextlib.contextmanager
def collected() -> Iterator[Output]:
    """
    Collect what the calling thread prints, and keep the rest out of all cells.

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
        for stream in (sys.stdout, sys.stderr):
            if not any(tap.stream is stream for tap in _taps):
                # A stream that takes no attributes, or none at all, stays as it is.
                with contextlib.suppress(AttributeError, TypeError):
                    _taps.append(_Tap(stream))
    try:
        with outside_cells():
            yield output
    finally:
        with _lock:
            if outer is None:
                del _outputs[thread_id]
            else:
                _outputs[thread_id] = outer
            if not _outputs:
                for tap in _taps:
                    tap.remove()
                _taps.clear()
