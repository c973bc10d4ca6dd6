"""totals: imports that wait for each other, on whichever thread."""

from __future__ import annotations

import importlib
import sys
import threading
from typing import TYPE_CHECKING

import pytest

from ipywarmup.importing import import_module
from ipywarmup.pool import WarmupPool
from tests.core.totals import saved, until_done

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from concurrent.futures import Executor

    from ipywarmup.manager import WarmupManager
    from tests.core.totals import Clock

    Action = Callable[[], object]
    Gated = tuple[str, threading.Event, threading.Event]
    Holding = tuple[Executor, deque[Callable[[], None]]]
    OnThread = Callable[[Action], threading.Thread]
    WhenWaiting = Callable[[WarmupManager, Action], None]

TIMEOUT = 10.0
pytestmark = pytest.mark.usefixtures("clock")
NOTHING = {"worst_stall_ms": None, "hidden_ms": 0.0, "waited_ms": 0.0}


@pytest.mark.parametrize("way", ["import", "look-up", "require another"])
def test_imports_that_wait_for_a_worker_count_as_waiting(  # noqa: PLR0913, PLR0917
    new_manager: Callable[..., WarmupManager],
    write_slow: Callable[..., str],
    write_gated: Callable[..., Gated],
    when_importing_waits: Callable[[Action], None],
    clock: Clock,
    way: str,
) -> None:
    """Statements, look-ups and foreground imports count for as far as they wait."""
    name, entered, gate = write_gated("WHOLE = True")
    manager = new_manager()
    manager.submit([name])
    assert entered.wait(TIMEOUT)
    clock.advance(5.0)

    def pass_time() -> None:
        clock.advance(3.0)
        gate.set()

    when_importing_waits(pass_time)
    if way == "import":
        importlib.import_module(name)
    elif way == "look-up":
        assert sys.modules[name].WHOLE
    else:
        other = write_slow(20.0, f"import {name}\nassert {name}.WHOLE")
        manager.extend([other])
        manager.require(other)
    until_done(manager)
    # The 20 seconds of the other one pass for the worker, too.
    assert saved(manager) == (25 if way == "require another" else 5, 3)


def test_who_waits_for_somebody_elses_import_does_not_wait_for_the_warmup(  # noqa: PLR0913, PLR0917
    new_manager: Callable[..., WarmupManager],
    holding: Holding,
    write_gated: Callable[..., Gated],
    on_thread: OnThread,
    when_importing_waits: Callable[[Action], None],
    clock: Clock,
) -> None:
    """An import on a user's own thread is none of the warmup's."""
    manager = new_manager(holding[0])
    manager.submit(["json"])
    name, entered, gate = write_gated()
    on_thread(lambda: import_module(name))
    assert entered.wait(TIMEOUT)

    def pass_time() -> None:
        clock.advance(3.0)
        gate.set()

    when_importing_waits(pass_time)
    importlib.import_module(name)
    assert manager.totals() == NOTHING


def test_a_worker_that_waits_for_the_main_thread_saves_nothing(  # noqa: PLR0913, PLR0917
    new_manager: Callable[..., WarmupManager],
    holding: Holding,
    write_module: Callable[..., str],
    on_thread: OnThread,
    when_importing_waits: Callable[[Action], None],
    clock: Clock,
) -> None:
    """What the main thread imports itself is not hidden, whoever waits for it."""
    pool, jobs = holding
    importing, waiting = threading.Event(), threading.Event()

    def meanwhile() -> None:
        importing.set()
        assert waiting.wait(TIMEOUT)
        clock.advance(7.0)

    def work() -> None:
        assert importing.wait(TIMEOUT)
        jobs.popleft()()

    when_importing_waits(waiting.set)
    name = write_module("shared.meanwhile()", meanwhile=meanwhile)
    manager = new_manager(pool)
    manager.submit([name])
    on_thread(work)
    importlib.import_module(name)
    assert manager.wait(TIMEOUT)
    assert manager.status()["completed"] == [name]
    assert saved(manager) == (0, 0)


def test_two_lanes_that_wait_for_each_other_import_once(
    new_manager: Callable[..., WarmupManager],
    write_gated: Callable[..., Gated],
    write_module: Callable[..., str],
    when_importing_waits: Callable[[Action], None],
    clock: Clock,
) -> None:
    """What one worker waits for is counted where it is imported."""
    name, entered, gate = write_gated()

    def pass_time() -> None:
        clock.advance(5.0)
        gate.set()

    when_importing_waits(pass_time)
    manager = new_manager(WarmupPool(2))
    manager.submit([name])
    assert entered.wait(TIMEOUT)
    manager.extend([write_module(f"import {name}")])
    until_done(manager)
    assert saved(manager) == (5, 0)


def test_reset_begins_anew(
    new_manager: Callable[..., WarmupManager],
    write_gated: Callable[..., Gated],
    when_importing_waits: Callable[[Action], None],
    clock: Clock,
) -> None:
    """What an old run's worker does, and who waits for it, is the old run's alone."""
    name, entered, gate = write_gated()
    manager = new_manager()
    manager.submit([name])
    assert entered.wait(TIMEOUT)
    old = manager.run
    clock.advance(5.0)
    manager.reset()
    manager.submit([])

    def pass_time() -> None:
        clock.advance(3.0)
        gate.set()

    when_importing_waits(pass_time)
    importlib.import_module(name)
    assert manager.totals() == NOTHING
    assert manager.totals(old)["waited_ms"] == 3000
    assert manager.totals(old)["hidden_ms"] == 5000


def test_two_managers_have_totals_of_their_own(
    new_manager: Callable[..., WarmupManager],
    write_gated: Callable[..., Gated],
    when_importing_waits: Callable[[Action], None],
    clock: Clock,
) -> None:
    """An import waits for the warmup of the worker that holds it up."""
    (name, entered, gate), (other_name, other_entered, _) = write_gated(), write_gated()
    manager, other = new_manager(), new_manager()
    manager.submit([name])
    other.submit([other_name])
    assert entered.wait(TIMEOUT)
    assert other_entered.wait(TIMEOUT)

    def pass_time() -> None:
        clock.advance(3.0)
        gate.set()

    when_importing_waits(pass_time)
    importlib.import_module(name)
    until_done(manager)
    assert saved(manager) == (0, 3)
    assert saved(other) == (3, 0)


def test_a_forked_child_counts_no_threads_that_are_not_there(
    run_python: Callable[..., object],
) -> None:
    """In a child imports and waits of other threads have ended, in the parent not."""
    result = run_python("""
        import os, sys, threading, warnings
        warnings.simplefilter("ignore")
        if not hasattr(os, "fork"):
            sys.exit()
        import ipywarmup.run
        from ipywarmup import WarmupManager, WarmupPool
        from ipywarmup.importlock.times import Times, waiting_for
        now = [1000.0]
        ipywarmup.run.Times = lambda: Times(lambda: now[0])
        entered, gate = threading.Event(), threading.Event()
        def block(module):
            entered.set()
            gate.wait()
        def build_and_wait():
            global manager
            manager = WarmupManager(log_to_stderr=False)
            wait = manager._condition.wait
            def reporting_wait(timeout=None):
                waiting.set()
                return wait(timeout)
            manager._condition.wait = reporting_wait
            sys.modules["shared"] = sys
            sys.block = block
            manager.submit(["blocked"])
            entered.wait()
            manager.wait()
        waiting = threading.Event()
        open(os.path.join(sys.path[0], "blocked.py"), "w").write(
            "import shared\\nshared.block(1)"
        )
        main = threading.Thread(target=build_and_wait)
        main.start()
        waiting.wait()
        # The main thread waits, and the worker imports.
        now[0] += 2
        worker = manager.canaries()[0]["thread_id"]
        child = os.fork()
        now[0] += 3
        if not child:
            totals = manager.totals()
            assert totals["waited_ms"] == 2000, totals
            assert totals["hidden_ms"] == 0, totals
            # The worker's number may be another thread's now.
            waiting_for([worker], lambda: now.__setitem__(0, now[0] + 50))()
            run = manager.run
            assert run.times.waited_ms(threading.get_ident()) == 0
            assert run.times.imported_ms(except_on=0) == 2000
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert manager.totals()["waited_ms"] == 5000
        gate.set()
        main.join()
    """)
    assert (result.returncode, result.stderr) == (0, "")  # type: ignore[attr-defined]
