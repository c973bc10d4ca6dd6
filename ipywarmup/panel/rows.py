"""What there is to draw: a headline, what was saved, and one row for each module."""

from __future__ import annotations

import collections
import enum
import heapq
from typing import TYPE_CHECKING, NamedTuple

from ipywarmup.canary import CanaryStatus
from ipywarmup.panel.timeline import Timeline, longest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipywarmup.canary import Canary
    from ipywarmup.panel.timeline import Track
    from ipywarmup.responsiveness.stalls import Stall
    from ipywarmup.run import Totals


class State(enum.StrEnum):
    """What a row says of its module; a canary that runs is queued or running."""

    RUNNING = "running"
    FAILED = "failed"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    QUEUED = "queued"

    @classmethod
    def of(cls, canary: Canary) -> State:
        """Return the state of a canary."""
        if canary.status is CanaryStatus.COMPLETED:  # most are, of many
            return cls.COMPLETED
        return cls.QUEUED if canary.queued else cls(canary.status.value)


class Row(NamedTuple):
    """
    One line of the table, in words.

    Parameters
    ----------
    canary_id : str
    module : str
    state : State
    thread : str
        Empty until the import starts.
    elapsed : str
        With its unit; empty until the import starts.
    error, hint, traceback, output : str
        Empty where there is none.
    track : Track, optional
        Its part of the timeline.
    """

    canary_id: str
    module: str
    state: State
    thread: str
    elapsed: str
    error: str
    hint: str
    traceback: str
    output: str
    track: Track | None = None


class Table(NamedTuple):
    """
    A warmup at one moment, ready to be drawn.

    Parameters
    ----------
    total : int
        Number of modules.
    counts : dict of State to int
        Of all modules, drawn or not; states that occur only.
    rows : tuple of Row
        In the order of the records.
    totals : dict, optional
        What `WarmupManager.totals` returns.
    length_ms : float, optional
        How long the timeline is, in milliseconds; None if the rows have none.
    later : tuple of str
        What is still to come, a line each.
    """

    total: int
    counts: dict[State, int]
    rows: tuple[Row, ...]
    totals: Totals | None = None
    length_ms: float | None = None
    later: tuple[str, ...] = ()

    @property
    def ended(self) -> int:
        """How many modules have reached their last state."""
        return self.total - self.unfinished

    @property
    def unfinished(self) -> int:
        """How many modules are queued or running."""
        return self.counts.get(State.RUNNING, 0) + self.counts.get(State.QUEUED, 0)

    @property
    def done(self) -> bool:
        """Whether nothing will change any more."""
        return not self.unfinished

    @property
    def outcome(self) -> State:
        """How it goes as a whole: one failure shows at once, the rest at the end."""
        if State.FAILED in self.counts:
            return State.FAILED
        if not self.done:
            return State.RUNNING
        cancelled = State.CANCELLED in self.counts
        return State.CANCELLED if cancelled else State.COMPLETED

    @property
    def headline(self) -> str:
        """What the table amounts to, without any times."""
        if not self.total:
            return "Warmup: no modules yet"
        completed = self.counts.get(State.COMPLETED, 0)
        words = [f"{completed} of {_modules(self.total)} completed"]
        words += [
            f"{self.counts[state]} {state}"
            for state in (State.FAILED, State.CANCELLED, State.RUNNING, State.QUEUED)
            if state in self.counts
        ]
        return f"Warmup{' done' if self.done else ''}: {', '.join(words)}"

    @property
    def savings(self) -> str:
        """What the warmup has saved and cost; empty before an import has ended."""
        if self.totals is None or self.totals["worst_stall_ms"] is None:
            return ""
        # The same words for any times, and times that look like all others: whoever
        # compares two runs has to mask them.
        return (
            f"Saved {duration(self.totals['hidden_ms'])} of waiting; longest stall of"
            f" other threads {duration(self.totals['worst_stall_ms'])}"
        )

    @property
    def left_out(self) -> str:
        """What is not among the rows; empty if everything is."""
        shown = collections.Counter(row.state for row in self.rows)
        hidden = {
            state: count - shown[state]
            for state, count in self.counts.items()
            if count > shown[state]
        }
        if not hidden:
            return ""
        kinds = ", ".join(f"{count} {state}" for state, count in hidden.items())
        return f"and {_modules(sum(hidden.values()))} more: {kinds}"


def tabulate(
    canaries: Sequence[Canary],
    *,
    now: float,
    limit: int,
    totals: Totals | None = None,
    stalls: Sequence[Stall] | None = None,
) -> Table:
    """
    Put records into words.

    Parameters
    ----------
    canaries : sequence of Canary
    now : float
        Wall clock, seconds since the epoch; running rows count up to it.
    limit : int
        The most rows. Beyond it, running modules go before failed ones, those
        before the latest to complete, and the queued last.
    totals : dict, optional
        What `WarmupManager.totals` returns.
    stalls : sequence of Stall, optional
        What `WarmupManager.stalls` returns; there is no timeline otherwise.

    Returns
    -------
    Table
    """
    # By state, in the order in which they go where there is no room for all.
    indices: dict[State, list[int]] = {state: [] for state in State}
    for index, canary in enumerate(canaries):
        indices[State.of(canary)].append(index)
    chosen: list[tuple[int, State]] = []
    for state, found in indices.items():
        room = limit - len(chosen)
        kept = found if len(found) <= room else _latest(canaries, found, room)
        chosen += [(index, state) for index in kept]
    chosen.sort()
    timeline = None if stalls is None else Timeline(canaries, now)
    marked = longest(stalls or ())
    rows = [_row(canaries[index], state, now) for index, state in chosen]
    if timeline is not None:
        rows = [
            row._replace(track=timeline.track(canaries[index], marked))
            for row, (index, _) in zip(rows, chosen, strict=True)
        ]
    return Table(
        total=len(canaries),
        counts={state: len(found) for state, found in indices.items() if found},
        rows=tuple(rows),
        totals=totals,
        length_ms=None if timeline is None else timeline.length_ms,
    )


def _latest(canaries: Sequence[Canary], indices: list[int], most: int) -> list[int]:
    """Return the latest to end; of what has not ended, the first."""

    def ended(index: int) -> float:
        end_ts = canaries[index].end_ts
        return -canaries[index].canary_id if end_ts is None else end_ts

    return heapq.nlargest(most, indices, key=ended)


def _row(canary: Canary, state: State, now: float) -> Row:
    elapsed_ms = canary.elapsed_ms
    if state is State.RUNNING and canary.start_ts is not None:
        elapsed_ms = max(0.0, now - canary.start_ts) * 1000
    failed = canary.status is CanaryStatus.FAILED
    return Row(
        canary_id=str(canary.canary_id),
        module=elide(canary.module, 60),
        state=state,
        thread=elide(canary.thread_name or "", 30),
        elapsed="" if elapsed_ms is None else duration(elapsed_ms),
        error=canary.error or "" if failed else "",
        hint=canary.hint or "",
        traceback=canary.traceback or "",
        output=(canary.output or "").strip(),
    )


def duration(milliseconds: float) -> str:
    """Return a duration in words: ``"85.2 ms"``, ``"2.31 s"``."""
    if milliseconds < 1000:  # noqa: PLR2004 - a second
        return f"{milliseconds:.1f} ms"
    return f"{milliseconds / 1000:.2f} s"


def elide(text: str, width: int) -> str:
    """Return `text` in at most `width` characters, cut in the middle."""
    if len(text) <= width:
        return text
    head = (width - 1) * 2 // 3
    tail = width - 1 - head
    return f"{text[:head]}…{text[len(text) - tail :]}"


def enumerate_names(names: Sequence[str], most: int = 5) -> str:
    """Return names as one would say them: ``"a, b, c and 7 more"``."""
    shown = ", ".join(elide(name, 60) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def _modules(count: int) -> str:
    return "1 module" if count == 1 else f"{count} modules"
