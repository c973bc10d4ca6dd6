"""One module's record: its states and how they may change."""

from __future__ import annotations

import dataclasses
import enum
from typing import Any


class CanaryStatus(enum.StrEnum):
    """Where a canary stands; a queued module counts as running."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclasses.dataclass(frozen=True, slots=True)
class Canary:
    """
    What is known of the import of one module.

    A canary is immutable: `started` and `ended` return the next state, so that
    a reader never sees half of a change.

    Parameters
    ----------
    canary_id : int
        1, 2, 3, ... over the life of a manager.
    module : str
        Absolute dotted name.
    submit_ts, start_ts, end_ts : float or None
        Wall clock, seconds since the epoch; None until it happened. They never
        decrease within one record, even if the wall clock is set back.
    thread_name : str or None
        Name of the thread that imports the module.
    thread_id : int or None
        Its `threading.get_ident`.
    status : CanaryStatus
        "running" while queued, too.
    error : str or None
        ``"TypeName: message"`` once failed.
    hint : str or None
        What to do about the error, where that is known.
    traceback : str or None
        What Python would print of the error, where that is more than `error`: its last
        20,000 characters.
    output : str or None
        What the module printed while it was imported, None if nothing.
    attempts : int
        How many times the import was tried, once it has ended.
    worst_stall_ms : float or None
        The longest that other threads had to wait for the interpreter at a time while
        a worker imported it, in milliseconds.
    """

    canary_id: int
    module: str
    submit_ts: float
    start_ts: float | None = None
    end_ts: float | None = None
    thread_name: str | None = None
    thread_id: int | None = None
    status: CanaryStatus = CanaryStatus.RUNNING
    error: str | None = None
    hint: str | None = None
    traceback: str | None = None
    output: str | None = None
    attempts: int = 0
    worst_stall_ms: float | None = None

    @property
    def queued(self) -> bool:
        """Whether the import has not started, and still may."""
        return self.status is CanaryStatus.RUNNING and self.start_ts is None

    @property
    def ended(self) -> bool:
        """Whether the record has reached its last state."""
        return self.status is not CanaryStatus.RUNNING

    @property
    def elapsed_ms(self) -> float | None:
        """Milliseconds from start to end; None unless it started and ended."""
        if self.start_ts is None or self.end_ts is None:
            return None
        return (self.end_ts - self.start_ts) * 1000

    def started(self, *, at: float, thread_name: str, thread_id: int) -> Canary:
        """Return the record of an import that starts on a thread."""
        return dataclasses.replace(
            self,
            start_ts=max(at, self.submit_ts),
            thread_name=thread_name,
            thread_id=thread_id,
        )

    def finished(self, status: CanaryStatus, *, at: float, **details: Any) -> Canary:  # noqa: ANN401
        """Return the record in one of its last states, with what is known then."""
        earliest = self.submit_ts if self.start_ts is None else self.start_ts
        return dataclasses.replace(
            self, status=status, end_ts=max(at, earliest), **details
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the record as a new dict of plain values."""
        return {
            "canary_id": self.canary_id,
            "module": self.module,
            "thread_name": self.thread_name,
            "thread_id": self.thread_id,
            "submit_ts": self.submit_ts,
            "start_ts": self.start_ts,
            "end_ts": self.end_ts,
            "elapsed_ms": self.elapsed_ms,
            "status": self.status.value,
            "error": self.error,
            "hint": self.hint,
            "traceback": self.traceback,
            "output": self.output,
            "attempts": self.attempts,
            "worst_stall_ms": self.worst_stall_ms,
        }
