"""What the tests of the import locks share: programs, and threads that obey."""

from __future__ import annotations

import json
import queue
import re
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from ipywarmup.importlock import locks as locks_module
from ipywarmup.importlock.locks import PackageLocks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

# A bound on failure; a program that is stuck ends by itself and shows where.
TIMEOUT = 30.0
TRIAL = Path(__file__).with_name("trial.py")


class Report(NamedTuple):
    """What became of a trial; see `trial.py`."""

    warm: dict[str, str | None]
    main: str | None
    result: str
    left: list[str]
    traceback: str = ""
    records: Mapping[str, dict[str, Any]] = {}
    counts: Mapping[str, int] = {}
    stderr: str = ""

    @property
    def errors(self) -> list[str]:
        """What went wrong, on whichever thread."""
        return [error for error in (self.main, *self.warm.values()) if error]


@pytest.fixture
def run_trial(tmp_path: Path) -> Callable[..., Report]:
    """
    Return a function that runs one program in one way, in a fresh process.

    It takes the way ("plain", "naive" or "guarded"), the sources of throwaway modules
    by file, the modules to warm up, and the code of the main thread, which leaves its
    `result`. The modules, and the code, find each other through `signals`.
    """

    def run(
        kind: str, files: Mapping[str, str], *, warm: list[str], main: str
    ) -> Report:
        folder = tmp_path / kind
        for name, source in files.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(textwrap.dedent(source), encoding="utf-8")
        trial = {"folder": str(folder), "warm": warm, "main": textwrap.dedent(main)}
        done = subprocess.run(
            [sys.executable, "-W", "error", "-X", "faulthandler", str(TRIAL), kind],
            input=json.dumps(trial),
            capture_output=True,
            text=True,
            timeout=TIMEOUT * 2,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        # Where a program was is no part of what it did, and which of importlib's
        # functions were under way no part of what its own code did.
        last_line = done.stdout.splitlines()[-1].replace(str(folder), "")
        report = Report(**json.loads(last_line), stderr=done.stderr)
        assert report.left == []
        text = re.sub(r'  File "<frozen importlib.*\n', "", report.traceback)
        return report._replace(traceback=text)

    return run


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
        locks._condition = self._condition
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

    def pass_time(self, seconds: float) -> None:
        """Let time pass, and everybody look."""
        self.now += seconds
        self.crew.look()

    def _pulse(self, ident: int) -> object | None:
        for name, pulse in self.pulses.items():
            if self.crew.ident(name) == ident:
                return pulse
        return 0


@pytest.fixture
def steered(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steered]:
    """Return locks that the test steers; nothing is held in the end."""
    steered = Steered(monkeypatch)
    yield steered
    steered.crew.close()
    assert not steered.locks


@pytest.fixture(scope="session")
def new_crew() -> type[Crew]:
    """Return a maker of crews."""
    return Crew
