"""Threads that obey, and locks whose clock, pulses and reports are a test's own."""

from __future__ import annotations

import queue
import threading
from contextlib import ExitStack
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from ipywarmup.importlock import locks as locks_module
from ipywarmup.importlock.locks import PackageLocks

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

# A bound on failure only: nothing waits that long in a test that passes.
TIMEOUT = 30.0


class _Condition(threading.Condition):
    """Tells a crew which threads are asleep."""

    def __init__(self, crew: Crew) -> None:
        super().__init__(threading.RLock())
        self._crew = crew

    def wait(self, timeout: float | None = None) -> bool:
        self._crew.falls_asleep()
        return super().wait(timeout)

    def notify_all(self) -> None:
        self._crew.wake()
        super().notify_all()


class Crew:
    """
    Threads that do what they are told, one call after the other.

    `do` returns once nobody runs: each thread has done its call, or is asleep in it.
    """

    def __init__(self, locks: PackageLocks) -> None:
        self._condition = _Condition(self)
        locks._condition = self._condition  # type: ignore[assignment]
        self._calls: dict[str, queue.SimpleQueue[Callable[[], object] | None]] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._board = threading.Condition()
        self._running: set[int] = set()
        self._asleep: set[int] = set()
        self._slept: set[int] = set()
        self.waits = 0
        self.results: dict[str, Any] = {}

    def do(self, name: str, function: Callable[..., object], *arguments: object) -> Any:  # noqa: ANN401
        """Have a thread call something; return what it returned, None if it sleeps."""
        ident = self.ident(name)
        assert ident not in self._asleep, f"{name} is asleep"
        self.results[name] = None
        with self._board:
            self._running.add(ident)
            self._slept.discard(ident)
        self._calls[name].put(lambda: function(*arguments))
        self.settle()
        return self.results[name]

    def settle(self) -> None:
        """Wait until nobody runs."""
        with self._board:
            assert self._board.wait_for(lambda: not self._running, TIMEOUT)

    def ident(self, name: str) -> int:
        """Return the identity of a thread, which is started if it is new."""
        if name not in self._threads:
            self._calls[name] = queue.SimpleQueue()
            thread = threading.Thread(target=self._work, args=(name,), daemon=True)
            self._threads[name] = thread
            thread.start()
        ident = self._threads[name].ident
        assert ident is not None
        return ident

    def sleeps(self, name: str) -> bool:
        """Whether a thread is asleep in its call."""
        return self.ident(name) in self._asleep

    def look(self) -> None:
        """Have everybody who is asleep look around, as each does now and then."""
        with self._condition:
            self._condition.notify_all()
        self.settle()

    def falls_asleep(self) -> None:
        """Note that the calling thread is about to sleep."""
        me = threading.get_ident()
        if me not in {thread.ident for thread in self._threads.values()}:
            return
        with self._board:
            self.waits += me not in self._slept
            self._slept.add(me)
            self._asleep.add(me)
            self._running.discard(me)
            self._board.notify_all()

    def wake(self) -> None:
        """Note that all who are asleep are about to go on."""
        with self._board:
            self._running |= self._asleep
            self._asleep.clear()

    def close(self) -> None:
        """End all threads."""
        asleep = [name for name in self._threads if self.sleeps(name)]
        assert not asleep, f"{asleep} sleep for ever"
        for calls in self._calls.values():
            calls.put(None)
        for thread in self._threads.values():
            thread.join(TIMEOUT)
            assert not thread.is_alive()

    def _work(self, name: str) -> None:
        while (call := self._calls[name].get()) is not None:
            try:
                self.results[name] = call()
            except BaseException as error:
                self.results[name] = error
            with self._board:
                self._running.discard(threading.get_ident())
                self._board.notify_all()


class Steered:
    """Locks whose clock, pulses and reports are the test's own."""

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, *, apart: tuple[str, ...] = ("S",)
    ) -> None:
        self.now = 0.0
        self.pulses: dict[str, object | None] = {}
        self.reports: list[str] = []
        # By thread that another one has started during an import.
        self.births: dict[str, ExitStack] = {}
        self.locks = PackageLocks(
            apart=apart,
            patience=100.0,
            pulse=self._pulse,
            report=self.reports.append,
        )
        self.crew = Crew(self.locks)
        clock = SimpleNamespace(monotonic=lambda: self.now)
        monkeypatch.setattr(locks_module, "time", clock)

    def acquire(self, name: str, package: str) -> bool | None:
        """Have a thread acquire; None if it sleeps, else whether it is alone."""
        alone = self.crew.do(name, self.locks.acquire, package)
        assert (alone is None) == self.crew.sleeps(name)
        assert alone in {None, True, False}
        return None if alone is None else bool(alone)

    def release(self, name: str, package: str) -> None:
        """Have a thread release."""
        self.crew.do(name, self.locks.release, package)

    def start(self, parent: str, child: str) -> None:
        """Have a thread start another."""
        ident = self.crew.do(parent, self.locks.parent)
        if ident is not None:
            born = self.births[child] = ExitStack()
            self.crew.do(child, born.enter_context, self.locks.child_of(ident))

    def end(self, child: str) -> None:
        """Have a thread end that another one has started during an import."""
        self.crew.do(child, self.births.pop(child).close)

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and everybody look."""
        self.now += seconds
        self.crew.look()

    def _pulse(self, ident: int) -> object | None:
        for name, pulse in self.pulses.items():
            if self.crew.ident(name) == ident:
                return pulse
        return 0
