"""One warmup: which modules it has, who wants to know, and how they are told."""

from __future__ import annotations

import contextlib
import heapq
import logging
import operator
import threading
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict

from ipywarmup.importlock.times import Times
from ipywarmup.importlock.traces import Trace
from ipywarmup.kernel import outside_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ipywarmup.canary import Canary
    from ipywarmup.importing import Outcome
    from ipywarmup.responsiveness.stalls import Stall

Status: TypeAlias = dict[str, list[str]]
Record: TypeAlias = dict[str, Any]
FollowUp: TypeAlias = "Callable[[str, Outcome], object]"

MOST_STALLS = 256
"""How many stalls are kept of a warmup: the longest."""


class Totals(TypedDict):
    """What a warmup has cost those who did something else, and saved; milliseconds."""

    worst_stall_ms: float | None
    hidden_ms: float
    waited_ms: float


logger = logging.getLogger("ipywarmup")


class Run:
    """One warmup, from its first `submit` to the `reset` that forgets it."""

    def __init__(self) -> None:
        self.submitted = False
        # By module: the record that stands for it in this run.
        self.ids: dict[str, int] = {}
        # By module, in submission order. The values of `failed` are how the
        # imports ended, None where no import was tried.
        self.pending: dict[str, int] = {}
        self.completed: dict[str, None] = {}
        self.failed: dict[str, Outcome | None] = {}
        # Ended, but the log does not say so yet: `wait` waits for that, too.
        self.unlogged: set[str] = set()
        self.times = Times()
        self.trace = Trace()
        self.worst_stall_ms: float | None = None
        # By when they began: workers that import at the same time see the same ones.
        self._stalls: dict[float, Stall] = {}
        self.on_complete: list[Callable[[Status], object]] = []
        self.on_canary: dict[object, Callable[[Record], object]] = {}
        # Those that nobody typed: nothing of the working directory may run for them.
        self.untyped: set[str] = set()
        # By module that is pending: who goes on with it on the thread that imports it.
        self.follow_ups: dict[str, list[FollowUp]] = {}

    @property
    def done(self) -> bool:
        """Whether it was submitted and nothing is pending."""
        return self.submitted and not self.pending

    def note_worst(self, stall_ms: float) -> None:
        """Take the longest stall of an import into account."""
        self.worst_stall_ms = max(self.worst_stall_ms or 0.0, stall_ms)

    def note_stall(self, stall: Stall) -> None:
        """Take a stall down, unless there are so many that are longer."""
        self._stalls[stall["start_ts"]] = stall
        if len(self._stalls) > 2 * MOST_STALLS:
            self._stalls = {each["start_ts"]: each for each in self.stalls()}

    def stalls(self) -> list[Stall]:
        """Return the longest stalls, as copies, in the order in which they began."""
        longest = heapq.nlargest(
            MOST_STALLS,
            self._stalls.copy().values(),
            key=operator.itemgetter("duration_ms"),
        )
        return sorted(
            (stall.copy() for stall in longest), key=operator.itemgetter("start_ts")
        )

    def totals(self, main_thread: int) -> Totals:
        """Return what it has cost and saved, seen from a thread."""
        waited_ms = self.times.waited_ms(main_thread)
        imported_ms = self.times.imported_ms(except_on=main_thread)
        return {
            "worst_stall_ms": self.worst_stall_ms,
            "hidden_ms": max(0.0, imported_ms - waited_ms),
            "waited_ms": waited_ms,
        }

    def status(self) -> Status:
        """Return new lists of the module names in each state."""
        return {
            "pending": list(self.pending),
            "completed": list(self.completed),
            "failed": list(self.failed),
        }


class Notice:
    """
    What is to be said once the lock is free: log lines, then callbacks.

    Collected under the lock, so that it tells of one moment.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.lines: list[str] = []
        self.records: list[Canary] = []
        self.on_canary: list[Callable[[Record], object]] = []
        self.on_complete: list[Callable[[Status], object]] = []
        self.status: Status = {}

    def call(self) -> None:
        """Call the callbacks, those of the records first."""
        interrupt = None
        for callback, told in self._calls():
            try:
                call(callback, told)
            except KeyboardInterrupt as error:  # the others are told all the same
                interrupt = error
        if interrupt is not None:
            raise interrupt

    def _calls(self) -> Iterator[tuple[Callable[..., object], object]]:
        for canary in self.records:
            for on_canary in self.on_canary:
                yield on_canary, canary.to_dict()
        for on_complete in self.on_complete:
            yield on_complete, {key: list(names) for key, names in self.status.items()}


def call(callback: Callable[..., object], *arguments: object) -> None:
    """
    Call a user's callback, whose failure is its own.

    Ctrl-C is not: it is raised on the main thread in whatever runs there.
    """
    try:
        callback(*arguments)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and (
            threading.current_thread() is threading.main_thread()
        ):
            raise
        # A handler whose stream is closed raises, too.
        with outside_cells(), contextlib.suppress(Exception):
            logger.exception("callback %r raised", callback)
