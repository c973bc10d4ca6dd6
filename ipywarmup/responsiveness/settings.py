"""The collector's thresholds and the switch interval, borrowed and given back."""

from __future__ import annotations

import contextlib
import gc
import itertools
import operator
import sys
import threading
import time
import weakref
from typing import TYPE_CHECKING, Generic, TypeVar

from ipywarmup.defaults import BORROW_LIMIT, SWITCH_INTERVAL
from ipywarmup.forks import in_child

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

Thresholds = tuple[int, int, int]

THRESHOLDS: Thresholds = (700, 10, 200)
"""
All threads stand still for as long as a collection lasts, and it lasts as long as there
are objects to look at. The full one, 200 ms after heavy imports, becomes due by these
thresholds with 1.5 million new objects; torch, pandas, scikit-learn, pyarrow, sympy
and four others leave 700,000. Younger ones take 2 ms, and find what they always do.
"""

_NO_CALMER: Thresholds = (1, 1, 1)
"""Leaves the thresholds as anybody had them."""

_FEW = 2_000
"""Fewer objects than any interpreter has, and than `gc.freeze` freezes therefore; more
than 3.12.1 freezes all by itself (375 immortal ones)."""


class _Setting(Generic[T]):
    """One setting of the interpreter: what the user had, and what it is meanwhile."""

    def __init__(self) -> None:
        self._theirs: T | None = None
        self._ours: T | None = None

    def get(self) -> T:
        """Return what is set."""
        raise NotImplementedError

    def put(self, value: T) -> None:
        """Set it."""
        raise NotImplementedError

    def take(self, ours: T) -> None:
        """Set it to ours, or leave theirs if that is calmer still."""
        self._theirs = self._ours = self.get()
        self.change(ours)

    def change(self, ours: T) -> None:
        """Set it to another of ours, unless somebody has set it to something else."""
        if self._theirs is not None and self.is_ours():
            self._ours = self.calmer(self._theirs, ours)
            self.put(self._ours)

    def give_back(self) -> None:
        """Set it to theirs, unless somebody has set it to something else since."""
        theirs = self._theirs
        if theirs is not None and self.is_ours():
            self.put(theirs)
        self._theirs = self._ours = None

    def is_ours(self) -> bool:
        """Whether it is what we have set it to."""
        return self.get() == self._ours

    def calmer(self, theirs: T, ours: T) -> T:
        """Return what disturbs no more than either."""
        raise NotImplementedError


class SwitchInterval(_Setting[float]):
    """How long a thread that wants the GIL waits until it asks for it, in seconds."""

    def get(self) -> float:
        """Return what is set."""
        return sys.getswitchinterval()

    def put(self, value: float) -> None:
        """Set it, so that `get` returns it."""
        # It is kept in whole microseconds, rounded down, and what is returned for
        # them may be a little less than they are.
        sys.setswitchinterval(value + 0.5e-6)

    def is_ours(self) -> bool:
        """Whether it is ours in whole microseconds: it is kept in no other form."""
        ours = self._ours
        return ours is not None and round(1e6 * self.get()) == round(1e6 * ours)

    def calmer(self, theirs: float, ours: float) -> float:
        """Return the shorter one."""
        return min(theirs, ours)


class CollectorThresholds(_Setting[Thresholds]):
    """How often the collector runs."""

    def __init__(self) -> None:
        super().__init__()
        self._aged_after = -1

    def get(self) -> Thresholds:
        """Return what is set."""
        return gc.get_threshold()

    def put(self, value: Thresholds) -> None:
        """Set them."""
        gc.set_threshold(*value)

    def give_back(self) -> None:
        """Set them to theirs, and see that no full collection is due at once."""
        theirs, ours = self._theirs, self._ours
        if theirs and ours:
            if self.is_ours() and gc.get_count()[2] > theirs[2]:
                self._put_off()
            # Somebody may have set the first of them alone.
            first, second, third = (
                their if value == our else value
                for their, our, value in zip(theirs, ours, self.get(), strict=True)
            )
            self.put((first, second, third))
        self._theirs = self._ours = None

    def calmer(self, theirs: Thresholds, ours: Thresholds) -> Thresholds:
        """Return thresholds by which no generation is collected more often."""
        if not theirs[0]:  # they want no collector
            return theirs
        # The second and the third one multiply the one before.
        first, second, third = map(
            max,
            itertools.accumulate(theirs, operator.mul),
            itertools.accumulate(ours, operator.mul),
        )
        return first, -(-second // first), -(-third // second)

    def may_age(self) -> bool:
        """
        Whether objects may be moved between generations.

        Not if the collector is disabled, or if somebody has frozen objects, which must
        not thaw.
        """
        is_on = gc.isenabled() and self.get()[0]
        return bool(is_on) and gc.get_freeze_count() < _FEW

    def age(self) -> None:
        """Move all objects into the oldest generation without looking at them."""
        if self.may_age():
            gc.freeze()
            gc.unfreeze()  # into the oldest generation

    def _put_off(self) -> None:
        """
        Let the full collection come a little later, as after an import without us.

        It is due by the user's thresholds; all threads would stand still while it finds
        out that what was imported is there to stay. It is put off only once: garbage
        is not to gather from warmup to warmup.
        """
        full_collections = gc.get_stats()[-1]["collections"]
        if full_collections != self._aged_after:
            self._aged_after = full_collections
            self.age()


# Guarantees
# - From the first `borrow` to the last `give_back` no setting is stricter than ours;
#   one that the user had calmer still stays so. While others compute, as `adapt` is
#   told, the collector is theirs. Then each is what it was, to the digit.
# - What is set by anybody else meanwhile stays, then and afterwards.
# - Nobody's collector is switched off or on: the collector that is disabled stays so,
#   that with a first threshold of 0 included.
# - Whoever is gone, or was sent away by `remove`, has given back: a `give_back` of
#   theirs that comes late takes nothing from others.
# - `limit` seconds after the last `borrow` or `give_back` the settings are the user's,
#   whoever has not given back, until somebody borrows again.
# - A forked child starts with the user's settings and without borrowers.
# This code assumes
# - that somebody calls `check` now and then while something is borrowed: there is no
#   thread here that would look at the clock;
# - that nothing is called under the lock but the interpreter itself. A finalizer that
#   it runs there may borrow and give back.


class InterpreterSettings:
    """
    Calm the collector and let threads take turns more often, for a while.

    Parameters
    ----------
    thresholds : tuple of int
        The collector's, as `gc.set_threshold` takes them; each at least 1.
    switch_interval : float
        Seconds, as `sys.setswitchinterval` takes them.
    limit : float
        Seconds that the settings stay borrowed while nobody borrows or gives back.
    clock : callable
        Returns seconds that never go back.

    Raises
    ------
    ValueError
        If a number is not positive.
    """

    def __init__(
        self,
        thresholds: Thresholds = THRESHOLDS,
        switch_interval: float = SWITCH_INTERVAL,
        *,
        limit: float = BORROW_LIMIT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        for name, value, least in (
            ("thresholds", thresholds, min(thresholds)),
            ("switch_interval", switch_interval, switch_interval),
            ("limit", limit, limit),
        ):
            if not least > 0:
                raise ValueError(f"{name} must be positive, not {value!r}")
        self.thresholds = thresholds
        self.switch_interval = switch_interval
        self.limit = limit
        self._clock = clock
        self._lock = threading.RLock()
        self._collector = CollectorThresholds()
        self._switching = SwitchInterval()
        # How often each has borrowed; who is gone has given all back.
        self._borrowers = weakref.WeakKeyDictionary[object, int]()
        self._taken = False
        # When the settings go back at the latest.
        self._deadline = 0.0
        in_child(self._start_over)

    @property
    def taken(self) -> bool:
        """Whether the settings are ours at this moment."""
        return self._taken

    def borrow(self, owner: object | None = None) -> None:
        """Take the settings, unless they are, for the calling thread or an object."""
        if owner is None:
            owner = threading.current_thread()
        with self._lock:
            times = self._borrowers.get(owner, 0)
            try:
                self._borrowers[owner] = times + 1
                self._deadline = self._clock() + self.limit
                if not self._taken:
                    self._taken = True
                    self._collector.take(self.thresholds)
                    self._switching.take(self.switch_interval)
            except BaseException:  # Ctrl-C
                self._borrowers[owner] = times
                if not times:
                    del self._borrowers[owner]
                self.check()
                raise

    def give_back(self, owner: object | None = None) -> None:
        """Put the user's settings back if nobody else has borrowed."""
        if owner is None:
            owner = threading.current_thread()
        with self._lock:
            times = self._borrowers.pop(owner, 1) - 1
            if times:
                self._borrowers[owner] = times
            self._deadline = self._clock() + self.limit
            self.check()

    @contextlib.contextmanager
    def borrowed(self) -> Iterator[None]:
        """Have the settings taken during a block."""
        self.borrow()
        try:
            yield
        finally:
            self.give_back()

    def check(self) -> None:
        """Put the user's settings back if they have been away for too long."""
        if not self._taken:
            return
        with self._lock:
            if not self._borrowers or self._clock() >= self._deadline:
                self._put_back()

    def adapt(self, *, idle: bool | None) -> None:
        """
        Leave the collector to who computes; else spare it what imports make.

        Parameters
        ----------
        idle : bool or None
            Whether nobody computes meanwhile, who could make garbage; None if that
            cannot be known.
        """
        with self._lock:
            if not self._taken:
                return
            self._collector.change(_NO_CALMER if idle is False else self.thresholds)
        if idle and self._collector.may_age():
            # What has survived is there to stay; another collection of younger
            # generations would look at it once more to find that out. Not under the
            # lock: it runs finalizers, which may wait for who wants the lock.
            gc.collect(0)
            with self._lock:
                if self._taken:
                    self._collector.age()

    def remove(self) -> None:
        """Put the user's settings back, whoever has borrowed."""
        with self._lock:
            self._borrowers.clear()
            self._put_back()

    def _put_back(self) -> None:
        self._switching.give_back()
        self._collector.give_back()
        self._taken = False

    def _start_over(self) -> None:
        """Forget the borrowers of the process forked from."""
        self._lock = threading.RLock()
        self._borrowers = weakref.WeakKeyDictionary()
        self._put_back()


settings = InterpreterSettings()
"""Those of the process, which all warmups share."""
