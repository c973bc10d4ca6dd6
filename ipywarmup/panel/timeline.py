"""When each module waited and was imported, as parts of one line of time."""

from __future__ import annotations

import bisect
import heapq
import operator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ipywarmup.canary import Canary
    from ipywarmup.responsiveness.stalls import Stall

MOST_STALLS = 50
"""How many stalls are drawn: the longest."""


class Mark(NamedTuple):
    """
    A stall on the line of a module.

    Parameters
    ----------
    begin, end : float
        Between 0 and 1, as parts of the whole timeline.
    duration_ms : float
    """

    begin: float
    end: float
    duration_ms: float


class Track(NamedTuple):
    """
    What a row of the timeline shows.

    Parameters
    ----------
    submit, begin, end : float
        When the module was asked for, when its import began, and when it ended or how
        far it has come: between 0 and 1, as parts of the whole timeline, in that
        order. What has not begun ends where it begins.
    waited_ms : float
        From `submit` to `begin`.
    stalls : tuple of Mark
        Those that were, for the most part, while it was imported.
    """

    submit: float
    begin: float
    end: float
    waited_ms: float
    stalls: tuple[Mark, ...] = ()


class Timeline:
    """
    The time in which a warmup had something to do.

    What is asked for an hour later stands right behind what was done by then: time in
    which nothing was queued or imported is left out.

    Parameters
    ----------
    canaries : sequence of Canary
        All those of the warmup, drawn or not.
    now : float
        Wall clock, seconds since the epoch; what has not ended goes on up to it.
    """

    def __init__(self, canaries: Sequence[Canary], now: float) -> None:
        self._now = now
        # Stretches that do not touch, in order: where each begins and ends on the
        # clock, and how much of the timeline is before it.
        self._begins: list[float] = []
        self._ends: list[float] = []
        self._before: list[float] = []
        spans = sorted(
            (canary.submit_ts, self._end(canary, now)) for canary in canaries
        )
        for begin, end in spans:
            if self._ends and begin <= self._ends[-1]:
                self._ends[-1] = max(self._ends[-1], end)
            else:
                self._before.append(self._length())
                self._begins.append(begin)
                self._ends.append(end)
        self._seconds = self._length()

    @property
    def length_ms(self) -> float:
        """How long it is, in milliseconds."""
        return 1000 * self._seconds

    def track(self, canary: Canary, stalls: Iterable[Stall] = ()) -> Track:
        """
        Return what the row of a record shows.

        Parameters
        ----------
        canary : Canary
            One of the timeline's.
        stalls : iterable of Stall
            Those of the warmup.
        """
        end = self._end(canary, self._now)
        begin = end if canary.start_ts is None else min(canary.start_ts, end)
        marks = []
        for stall in stalls:
            since = stall["start_ts"]
            until = since + stall["duration_ms"] / 1000
            if begin <= (since + until) / 2 < end:
                span = self._at(max(begin, since)), self._at(min(until, end))
                marks.append(Mark(*span, stall["duration_ms"]))
        return Track(
            submit=self._at(canary.submit_ts),
            begin=self._at(begin),
            end=self._at(end),
            waited_ms=1000 * (begin - canary.submit_ts),
            stalls=tuple(marks),
        )

    def _length(self) -> float:
        if not self._ends:
            return 0.0
        return self._before[-1] + self._ends[-1] - self._begins[-1]

    def _at(self, moment: float) -> float:
        """Return where a moment of the clock is, between 0 and 1."""
        stretch = max(0, bisect.bisect_right(self._begins, moment) - 1)
        begin, end = self._begins[stretch], self._ends[stretch]
        within = min(max(moment, begin), end) - begin
        return (self._before[stretch] + within) / (self._seconds or 1.0)

    @staticmethod
    def _end(canary: Canary, now: float) -> float:
        end = now if canary.end_ts is None else canary.end_ts
        return max(end, canary.submit_ts)


def longest(stalls: Iterable[Stall]) -> list[Stall]:
    """Return the stalls that are worth drawing, in the order in which they were."""
    found = heapq.nlargest(MOST_STALLS, stalls, key=operator.itemgetter("duration_ms"))
    return sorted(found, key=operator.itemgetter("start_ts"))
