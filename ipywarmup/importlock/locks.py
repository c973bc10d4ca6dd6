"""Package locks: one import at a time in each package, and no way to get stuck."""

from __future__ import annotations

import contextlib
import math
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from ipywarmup.conditions import Condition
from ipywarmup.defaults import PATIENCE
from ipywarmup.importlock import traces
from ipywarmup.importlock.graph import EVERYTHING, LockGraph, nothing_is_complete
from ipywarmup.importlock.times import waiting_for

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

_LOOKS = 10
"""How often a waiting thread looks after those it waits for, within `patience`."""


_MODULE_PATIENCE = 10
"""How many times longer a single module is waited for than a package. A thread that
wants every package waits that long, too, whatever progress the others make."""

_MOMENT = 0.005
"""Seconds between two looks of a thread that waits for something else than a lock."""


class _Watch:
    """Tells when threads have stood still for too long."""

    def __init__(self) -> None:
        self._began = self._since = time.monotonic()
        self._seen: dict[int, object | None] = {}

    def age(self) -> float:
        """Return for how many seconds it has watched."""
        return time.monotonic() - self._began

    def is_still(self, pulses: dict[int, object | None], seconds: float) -> bool:
        """Whether the pulses have been the same for so long."""
        now = time.monotonic()
        if pulses != self._seen:
            self._seen, self._since = pulses, now
        return now - self._since >= seconds


class Counts(NamedTuple):
    """
    What has happened so far.

    Parameters
    ----------
    waits : int
        Acquisitions that had to wait.
    circles : int
        Those that were let in because waiting would have closed a circle.
    opened : int
        Those that were let in because the holder made no progress.
    """

    waits: int = 0
    circles: int = 0
    opened: int = 0


# Guarantees
# - What `LockGraph` guarantees, for real threads: of those inside a package all but
#   one are blocked in `acquire`.
# - Nobody waits for ever: not in a circle, not for a thread that started it during
#   its import, not for one that has died, and no longer than `patience` for one that
#   makes no progress at all. Each of these ways out is reported, with its reason.
# - A wait can be interrupted, and leaves nothing behind then. The warmups that those
#   import for who are waited for are told of it (see `times`).
# This code assumes
# - that a thread releases packages in the reverse order of acquiring them;
# - that the garbage collector or a signal handler may acquire at any point, on the
#   same thread: hence the re-entrant lock, and the look at everything anew after
#   each wait.


class PackageLocks:
    """
    Re-entrant locks, one per package.

    Parameters
    ----------
    apart : collection of str
        Packages that never count as one with those they import in a circle.
    patience : float
        Seconds without progress of those it waits for, after which a wait ends.
    is_complete : callable
        ``is_complete(package)``: whether the top level of a package is all there.
    pulse : callable
        ``pulse(thread_id)`` returns something that changes as the thread goes on,
        and None once the thread does not import anything any more.
    is_importing : callable
        ``is_importing(thread_id)``: whether a thread is in an import that these locks
        know nothing of.
    on_free : callable
        Called whenever a package has been left by all, before anybody enters it.
    report : callable
        Takes a sentence on each way out that was taken; called outside of all locks.
    """

    def __init__(  # noqa: PLR0913 - what it asks, and whom it tells
        self,
        *,
        apart: Collection[str] = (),
        patience: float = PATIENCE,
        is_complete: Callable[[str], bool] = nothing_is_complete,
        pulse: Callable[[int], object | None] = lambda _: 0,
        is_importing: Callable[[int], bool] = lambda _: False,
        on_free: Callable[[], object] = lambda: None,
        report: Callable[[str], object] = lambda _: None,
    ) -> None:
        self.patience = patience
        self.counts = Counts()
        self._pulse = pulse
        self._is_importing = is_importing
        self._on_free = on_free
        self._report = report
        self._graph = LockGraph(
            apart=apart, yields=self._yields, is_complete=is_complete
        )
        self._condition = Condition()
        # By thread: the one that started it during an import that is not over yet.
        self._parents: dict[int, int] = {}
        # By thread that made no progress: its pulse when a wait for a package that it
        # holds was given up, and when one for something else was.
        self._stuck: dict[int, object] = {}
        self._left_behind: dict[int, object] = {}

    def __bool__(self) -> bool:
        """Whether any package is held, or anybody waits."""
        return bool(self._graph)

    def acquire(self, package: str) -> bool:
        """
        Enter a package, after those who are inside have left.

        Interrupting a wait (Ctrl-C) raises and leaves nothing behind.

        Returns
        -------
        bool
            Whether nobody else is inside.
        """
        me = threading.get_ident()
        if self._graph.again(me, package):
            return self._graph.is_alone(me, package)
        reasons: list[str] = []
        with self._condition:
            try:
                circle = self._graph.enter(me, package)
                if circle is None:
                    self.counts = self.counts._replace(waits=self.counts.waits + 1)
                    circle = self._wait(me, package, reasons)
                self._count(me, package, circle, reasons)
                alone = self._graph.is_alone(me, package)
            except BaseException:
                self._graph.stop_waiting(me)
                self._graph.leave(me, package)
                self._condition.notify_all()
                raise
        for reason in reasons:
            self._report(f"entered {_name(package)} while others are in it: {reason}")
        return alone

    def release(self, package: str) -> None:
        """Leave a package once."""
        me = threading.get_ident()
        if self._graph.back(me, package):
            return
        with self._condition:
            if self._graph.leave(me, package):
                self._on_free()
            if (
                self._parents or self._stuck or self._left_behind
            ) and not self._imports(me):
                self._end_import(me)
            self._condition.notify_all()

    @contextlib.contextmanager
    def holding(self, package: str) -> Iterator[None]:
        """Be inside a package during a block."""
        self.acquire(package)
        try:
            yield
        finally:
            self.release(package)

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """Let nobody else be inside any package, or enter one, during a block."""
        return self.holding(EVERYTHING)

    def wait_for(self, thread: int, is_over: Callable[[], bool], what: str) -> bool:
        """
        Wait until something is over that another thread does, for `what`.

        A module may take its time: it is waited for ten times as long as a package.

        Returns
        -------
        bool
            False if the calling thread must not wait for that one: it waits for the
            calling thread, has started it, makes no progress or does not import.
        """
        me = threading.get_ident()
        with self._condition:
            if (
                self._parents.get(me) == thread
                or self._stands_still(self._left_behind, thread)
                or not self._graph.wait_for(me, thread)
            ):
                return False
            try:
                watch, patience = _Watch(), self.patience * _MODULE_PATIENCE
                while not is_over():
                    pulses = self._pulses(me)
                    if None in pulses.values():
                        return False
                    if watch.is_still(pulses, patience):
                        self._give_up(pulses)
                        self._left_behind[thread] = self._pulse(thread)
                        break
                    # Nobody tells: what is waited for is no lock of ours.
                    wait = self._waiting(me)
                    wait(min(_MOMENT, self.patience / _LOOKS))
                else:
                    return True
            finally:
                self._graph.stop_waiting(me)
        self._report(
            f"waits no longer for {what!r}: no progress for {patience:g} s, what it"
            " lacks yet is missing"
        )
        return False

    def is_held(self, package: str) -> bool:
        """Whether any thread is inside a package."""
        return self._graph.is_held(package)

    def is_inside(self, package: str) -> bool:
        """Whether the calling thread is inside a package."""
        return self._graph.is_inside(threading.get_ident(), package)

    def parent(self) -> int | None:
        """Return whose import a thread belongs to that the calling one starts."""
        me = threading.get_ident()
        with self._condition:
            return me if self._imports(me) else self._parents.get(me)

    @contextlib.contextmanager
    def child_of(self, parent: int) -> Iterator[None]:
        """Have the calling thread belong to another one's import during a block."""
        me = threading.get_ident()
        with self._condition:
            if self._imports(parent):
                self._parents[me] = parent
        try:
            yield
        finally:
            # The next one with its identifier is nobody's.
            with self._condition:
                self._parents.pop(me, None)

    @property
    def frozen(self) -> Condition:
        """Lets no other thread change anything, as around a fork; use `with`."""
        return self._condition

    def forget_gone(self) -> None:
        """Forget threads that left without a word, as Ctrl-C can make them do."""
        with self._condition:
            for thread in self._graph.threads():
                if self._pulse(thread) is None:
                    self._drop(thread)

    def forget_others(self) -> None:
        """Keep only what the calling thread holds, the only one after a fork."""
        self._condition = Condition()
        with self._condition:
            for thread in self._graph.threads() - {threading.get_ident()}:
                self._drop(thread)

    def _yields(self, holder: int, thread: int) -> bool:
        """Whether a holder makes way for a thread that it does not wait for."""
        return self._parents.get(thread) == holder or self._stands_still(
            self._stuck, holder
        )

    def _stands_still(self, stuck: dict[int, object], thread: int) -> bool:
        """Whether a thread is where it was when somebody gave it up."""
        return thread in stuck and stuck[thread] == self._pulse(thread)

    def _wait(self, me: int, package: str, reasons: list[str]) -> set[str]:
        """Wait until a package can be entered, and enter it; call under the lock."""
        watch = _Watch()
        longest = (
            self.patience * _MODULE_PATIENCE if package == EVERYTHING else math.inf
        )
        # Others may be let in since this thread waits.
        self._condition.notify_all()
        while (circle := self._graph.enter(me, package)) is None:
            pulses = self._pulses(me)
            gone = [thread for thread, pulse in pulses.items() if pulse is None]
            for thread in gone:
                self._drop(thread)
                reasons.append("a thread in it does not import any more")
            if gone:
                continue
            still = watch.is_still(pulses, self.patience)
            if still or watch.age() >= longest:
                self._give_up(pulses)
                seconds = self.patience if still else longest
                reasons.append(
                    f"no {'progress' if still else 'end'} for {seconds:g} s, what it"
                    " lacks yet is missing"
                )
                return self._graph.enter(me, package, force=True) or set()
            wait = self._waiting(me)
            wait(self.patience / _LOOKS)
        return circle

    def _waiting(self, me: int) -> Callable[[float], object]:
        """Return what waits for a moment, and counts as waiting for those ahead."""
        return traces.waiting(
            waiting_for(self._graph.ahead_of(me), self._condition.wait)
        )

    def _pulses(self, me: int) -> dict[int, object | None]:
        return {thread: self._pulse(thread) for thread in self._graph.runners(me)}

    def _give_up(self, pulses: dict[int, object | None]) -> None:
        """Note who makes no progress: those who come later need not find out again."""
        self._stuck.update(pulses)
        self.counts = self.counts._replace(opened=self.counts.opened + 1)

    def _count(
        self, me: int, package: str, circle: set[str], reasons: list[str]
    ) -> None:
        """Count an acquisition that did not keep others out, and say why."""
        others = self._graph.others(me, package)
        if any(self._graph.waits_for(other, me) for other in others):
            self.counts = self.counts._replace(circles=self.counts.circles + 1)
            reasons.append(
                f"{_names(circle)} import each other"
                if circle
                else "they wait for this thread"
            )
        elif self._parents.get(me) in others:
            reasons.append("it was started by one of them")

    def _imports(self, thread: int) -> bool:
        return thread in self._graph.holders() or self._is_importing(thread)

    def _drop(self, thread: int) -> None:
        """Forget a thread; call under the lock."""
        self._graph.drop(thread)
        self._on_free()
        self._parents.pop(thread, None)
        self._end_import(thread)
        self._condition.notify_all()

    def _end_import(self, thread: int) -> None:
        """Forget what was only true of a thread's import, now over."""
        self._stuck.pop(thread, None)
        self._left_behind.pop(thread, None)
        self._parents = {
            child: parent for child, parent in self._parents.items() if parent != thread
        }


def _name(package: str) -> str:
    return "every package" if package == EVERYTHING else repr(package)


def _names(packages: Collection[str]) -> str:
    return " and ".join(_name(package) for package in sorted(packages))
