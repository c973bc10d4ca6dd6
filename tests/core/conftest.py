"""What the tests of the core share: throwaway modules, managers, pools, streams."""

from __future__ import annotations

import collections
import importlib
import itertools
import subprocess
import sys
import textwrap
import threading
import types
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import pytest

from ipywarmup.importlock.hooks import hooks
from ipywarmup.importlock.times import Times
from ipywarmup.manager import WarmupManager
from ipywarmup.pool import WarmupPool
from tests.core.totals import Clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT = 10.0
_numbers = itertools.count()


@pytest.fixture
def write_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., str]]:
    """Return a function that writes a module and returns its new name.

    The source may speak of `shared`, a module whose attributes are the keyword
    arguments of the call.
    """
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    names: list[str] = []

    def write(source: str = "", **shared: object) -> str:
        name = f"throwaway_{next(_numbers)}"
        names.append(name)
        source = textwrap.dedent(source)
        if shared:
            holder = types.ModuleType(f"{name}_shared")
            vars(holder).update(shared)
            sys.modules[holder.__name__] = holder
            names.append(holder.__name__)
            source = f"import {holder.__name__} as shared\n{source}"
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
        importlib.invalidate_caches()
        return name

    yield write
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture
def gates() -> Iterator[list[threading.Event]]:
    """Hold the events that modules are blocked on; all are set in the end."""
    events: list[threading.Event] = []
    yield events
    for event in events:
        event.set()


@pytest.fixture
def write_gated(
    write_module: Callable[..., str], gates: list[threading.Event]
) -> Callable[..., tuple[str, threading.Event, threading.Event]]:
    """Return a function that writes a module whose import blocks.

    It returns the module's name, an event that the module sets when its import is
    under way, and one that it then waits for. `source` comes after that.
    """

    def write(source: str = "") -> tuple[str, threading.Event, threading.Event]:
        entered, gate = threading.Event(), threading.Event()
        gates.append(gate)
        name = write_module(
            f"shared.entered.set()\nshared.gate.wait()\n{textwrap.dedent(source)}",
            entered=entered,
            gate=gate,
        )
        return name, entered, gate

    return write


@pytest.fixture
def new_manager(
    monkeypatch: pytest.MonkeyPatch,
    write_module: Callable[..., str],
    gates: list[threading.Event],
) -> Iterator[Callable[..., WarmupManager]]:
    """Return a function that makes a manager, silent unless asked otherwise."""
    # Both are put back after the workers have gone: imports still under way see
    # the streams and the path of their test.
    del monkeypatch, write_module
    managers: list[WarmupManager] = []

    def make(
        pool: Executor | None = None, *, log_to_stderr: bool = False
    ) -> WarmupManager:
        managers.append(WarmupManager(pool, log_to_stderr=log_to_stderr))
        return managers[-1]

    yield make
    for gate in gates:
        gate.set()
    for manager in managers:
        # Gives back what a record holds that no pool will ever end.
        manager.reset()
        if isinstance(manager.pool, WarmupPool):
            manager.pool.shutdown()


class _InlineExecutor(Executor):
    """Run each job at once, on the thread that submits it."""

    def submit(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future


@pytest.fixture
def inline() -> Executor:
    """Return an executor that runs each job at once, on the calling thread."""
    return _InlineExecutor()


class _HoldingExecutor(Executor):
    """Keep jobs until somebody runs them."""

    def __init__(self) -> None:
        self.jobs: collections.deque[Callable[[], None]] = collections.deque()
        self.futures: list[Future[Any]] = []

    def submit(
        self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs
    ) -> Future[T]:
        future: Future[T] = Future()

        def job() -> None:
            if future.set_running_or_notify_cancel():
                future.set_result(fn(*args, **kwargs))

        self.jobs.append(job)
        self.futures.append(future)
        return future


@pytest.fixture
def holding() -> tuple[Executor, collections.deque[Callable[[], None]]]:
    """Return an executor and the jobs that it was given, for the test to run."""
    executor = _HoldingExecutor()
    return executor, executor.jobs


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Return the clock of all warmups."""
    clock = Clock()
    monkeypatch.setattr("ipywarmup.run.Times", lambda: Times(clock))
    return clock


@pytest.fixture
def write_slow(write_module: Callable[..., str], clock: Clock) -> Callable[..., str]:
    """Return a function that writes a module whose import takes so many seconds."""

    def write(seconds: float, source: str = "", **shared: object) -> str:
        source = f"shared.clock.advance({seconds})\n{source}"
        return write_module(source, clock=clock, **shared)

    return write


@pytest.fixture
def when_importing_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Callable[[], object]], None]:
    """Return a function that does something once an import waits for another."""

    def install(action: Callable[[], object]) -> None:
        wait = hooks.locks._condition.wait
        actions = [action]

        def acting_wait(timeout: float | None = None) -> bool:
            while actions:
                actions.pop()()
            return wait(timeout)

        monkeypatch.setattr(hooks.locks._condition, "wait", acting_wait)

    return install


@pytest.fixture
def on_thread() -> Iterator[Callable[[Callable[[], object]], threading.Thread]]:
    """Return a function that starts a call on a thread; all are joined in the end."""
    threads: list[threading.Thread] = []

    def start(function: Callable[[], object]) -> threading.Thread:
        thread = threading.Thread(target=function, daemon=True)
        threads.append(thread)
        thread.start()
        return thread

    yield start
    for thread in threads:
        thread.join(TIMEOUT)
        assert not thread.is_alive(), "a thread of the test did not end"


@pytest.fixture
def when_waiting(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[WarmupManager, Callable[[], object]], None]:
    """Return a function that does something once somebody waits for a manager."""

    def install(manager: WarmupManager, action: Callable[[], object]) -> None:
        wait = manager._condition.wait
        actions = [action]

        def acting_wait(timeout: float | None = None) -> bool:
            while actions:
                # Elsewhere, since this thread holds the lock; it is let go below.
                threading.Thread(target=actions.pop(), daemon=True).start()
            return wait(timeout)

        monkeypatch.setattr(manager._condition, "wait", acting_wait)

    return install


class _RecordingStream:
    """Note down each write by itself."""

    def __init__(self) -> None:
        self.writes: list[str] = []

    def write(self, text: str) -> int:
        self.writes.append(text)
        return len(text)

    def flush(self) -> None:
        pass


@pytest.fixture
def record_stderr(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """Return a function that puts a stream in the place of sys.stderr.

    It returns the list of the writes that the stream gets. To be called by the
    test itself, since pytest sets the streams anew when the test begins.
    """

    def record() -> list[str]:
        stream = _RecordingStream()
        monkeypatch.setattr(sys, "stderr", stream)
        return stream.writes

    return record


@pytest.fixture
def run_python(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs a script in a Python of its own."""

    def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        file = tmp_path / f"script_{next(_numbers)}.py"
        file.write_text(textwrap.dedent(script), encoding="utf-8")
        return subprocess.run(
            [sys.executable, "-W", "error", str(file), *arguments],
            capture_output=True,
            text=True,
            timeout=TIMEOUT * 3,
            check=False,
        )

    return run
