"""require: a module, at once if warm, else as soon as it can be had."""

from __future__ import annotations

import importlib
import re
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ipywarmup.pool import WarmupPool

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from concurrent.futures import Executor

    from ipywarmup.manager import WarmupManager

    Gated = tuple[str, threading.Event, threading.Event]
    Holding = tuple[Executor, deque[Callable[[], None]]]
    WhenWaiting = Callable[[WarmupManager, Callable[[], object]], None]

TIMEOUT = 10.0


def test_a_warm_module_is_returned_as_it_is(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    write_module: Callable[..., str],
) -> None:
    """A warm module is the one of sys.modules; no code runs, no record changes."""
    runs: list[int] = []
    name = write_module("shared.runs.append(1)", runs=runs)
    manager = new_manager(inline)
    manager.submit([name])
    before = manager.canaries()
    assert manager.require(name) is sys.modules[name]
    assert manager.require(name, timeout=0) is sys.modules[name]
    assert runs == [1]
    assert manager.canaries() == before


def test_a_submodule_is_returned_itself(
    new_manager: Callable[..., WarmupManager],
) -> None:
    """For a dotted name the module at its end is returned, not the package."""
    manager = new_manager()
    manager.submit(["xml.dom"])
    assert manager.require("xml.dom", TIMEOUT).__name__ == "xml.dom"
    assert manager.require("xml.sax").__name__ == "xml.sax"


def test_a_module_under_way_is_waited_for(
    new_manager: Callable[..., WarmupManager],
    write_gated: Callable[..., Gated],
    when_waiting: WhenWaiting,
) -> None:
    """Require returns the whole module, once its import on the worker has ended."""
    name, entered, gate = write_gated("WHOLE = True")
    manager = new_manager()
    manager.submit([name])
    assert entered.wait(TIMEOUT)
    when_waiting(manager, gate.set)
    assert manager.require(name).WHOLE is True
    assert [record["thread_name"] for record in manager.canaries()] == ["ipywarmup-0"]


def test_a_queued_module_is_imported_here_and_now(
    new_manager: Callable[..., WarmupManager],
    holding: Holding,
    write_module: Callable[..., str],
) -> None:
    """It runs on the calling thread, ahead of its turn; its job then does nothing."""
    runs: list[int] = []
    source = "import threading\nshared.runs.append(threading.get_ident())"
    name = write_module(source, runs=runs)
    pool, jobs = holding
    manager = new_manager(pool)
    manager.submit(["json", name])
    events: list[tuple[str, str]] = []
    manager.on_canary(
        lambda record: events.append((record["module"], record["status"]))
    )
    assert manager.require(name, timeout=0) is sys.modules[name]
    assert manager.status() == {"pending": ["json"], "completed": [name], "failed": []}
    record = manager.canaries()[1]
    assert record["thread_id"] == threading.get_ident()
    assert record["thread_name"] == threading.current_thread().name
    for job in jobs:
        job()
    assert runs == [threading.get_ident()]
    assert manager.canaries()[1] == record
    assert events == [
        (name, "running"),
        (name, "completed"),
        ("json", "running"),
        ("json", "completed"),
    ]


def test_a_module_never_submitted_is_imported_without_a_record(
    new_manager: Callable[..., WarmupManager], write_module: Callable[..., str]
) -> None:
    """Require imports anything, but does not make it part of a warmup."""
    threads: list[int] = []
    name = write_module(
        "import threading\nshared.threads.append(threading.get_ident())",
        threads=threads,
    )
    manager = new_manager()
    assert manager.require(name) is sys.modules[name]
    assert threads == [threading.get_ident()]
    assert manager.canaries() == []
    assert not manager.is_done()
    manager.submit([])
    assert manager.require(name) is sys.modules[name]
    assert manager.canaries() == []


@pytest.mark.parametrize("state", ["failed", "queued", "unknown", "under way"])
@pytest.mark.parametrize(
    "error", [OSError("no good"), SystemExit(3), KeyboardInterrupt()], ids=repr
)
def test_the_imports_own_exception_is_raised(  # noqa: PLR0913, PLR0917
    new_manager: Callable[..., WarmupManager],
    holding: Holding,
    write_module: Callable[..., str],
    when_waiting: WhenWaiting,
    gates: list[threading.Event],
    error: BaseException,
    state: str,
) -> None:
    """Whenever the import fails, require raises the very exception it raised."""
    gate = threading.Event()
    gates.append(gate)
    name = write_module(
        "shared.gate.wait()\nraise shared.error", gate=gate, error=error
    )
    pool, jobs = holding
    manager = new_manager(WarmupPool(1) if state == "under way" else pool)
    if state == "under way":
        started = threading.Event()
        manager.on_canary(lambda _: started.set())
        manager.submit([name])
        assert started.wait(TIMEOUT)
        when_waiting(manager, gate.set)
    else:
        gate.set()
    if state in {"failed", "queued"}:
        manager.submit([name])
    if state == "failed":
        jobs.popleft()()
    with pytest.raises(type(error)) as raised:
        manager.require(name)
    assert raised.value is error
    if state != "unknown":
        assert manager.status()["failed"] == [name]


def test_the_traceback_is_the_modules_own(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    write_module: Callable[..., str],
) -> None:
    """Below require stands the module's line, each time, and nothing of importlib."""
    name = write_module("\n\nraise OSError")
    manager = new_manager(inline)
    manager.submit([name])
    for _ in range(2):
        with pytest.raises(OSError, match=r"^$") as raised:
            manager.require(name)
        files = [Path(entry.path).name for entry in raised.traceback]
        assert files[-1] == f"{name}.py"
        assert raised.traceback[-1].lineno == 2
        assert not any("importlib" in file for file in files)
        assert files.count(f"{name}.py") == 1


def test_a_missing_module_is_a_module_not_found_error(
    new_manager: Callable[..., WarmupManager],
) -> None:
    """Require of a name that does not exist raises what `import` of it does."""
    manager = new_manager()
    with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all"):
        manager.require("no_such_module_at_all")
    manager.submit(["no_such_module_at_all"])
    with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all"):
        manager.require("no_such_module_at_all")


def test_a_failed_module_that_came_in_otherwise_is_returned(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    write_module: Callable[..., str],
) -> None:
    """A module that somebody imported since its failure counts as warm."""
    failing = [True]
    name = write_module("if shared.failing[0]:\n    raise OSError", failing=failing)
    manager = new_manager(inline)
    manager.submit([name])
    failing[0] = False
    with pytest.raises(OSError, match=r"^$"):
        manager.require(name)
    assert importlib.import_module(name) is manager.require(name)


@pytest.mark.parametrize("timeout", [0, 0.01, -1])
def test_a_module_that_takes_too_long_is_a_timeout_error(
    new_manager: Callable[..., WarmupManager],
    write_gated: Callable[..., Gated],
    timeout: float,
) -> None:
    """Require names the module that did not end in time; the import goes on."""
    name, entered, gate = write_gated()
    manager = new_manager()
    manager.submit([name])
    assert entered.wait(TIMEOUT)
    with pytest.raises(TimeoutError, match=re.escape(repr(name))):
        manager.require(name, timeout)
    assert manager.status()["pending"] == [name]
    gate.set()
    assert manager.require(name, TIMEOUT) is sys.modules[name]


def test_a_module_that_requires_itself_gets_what_python_gives(
    new_manager: Callable[..., WarmupManager], write_module: Callable[..., str]
) -> None:
    """Self-require returns the module half made, like a circular import."""
    seen: list[object] = []
    manager = new_manager()
    name = write_module(
        "BEGUN = True\nshared.seen.append(shared.require(__name__))\nWHOLE = True",
        seen=seen,
        require=manager.require,
    )
    manager.submit([name])
    assert manager.wait(TIMEOUT)
    assert manager.status()["completed"] == [name]
    assert seen == [sys.modules[name]]


def test_modules_that_require_each_other_get_what_python_gives(
    new_manager: Callable[..., WarmupManager], write_module: Callable[..., str]
) -> None:
    """Two imports on two threads that require each other do not wait for ever."""
    both = threading.Barrier(2)
    manager = new_manager(WarmupPool(2))
    names: list[str] = []
    source = """
    shared.both.wait(10)
    shared.manager.require(next(name for name in shared.names if name != __name__))
    """
    names += [
        write_module(source, both=both, manager=manager, names=names) for _ in range(2)
    ]
    manager.submit(names)
    assert manager.wait(TIMEOUT)
    assert sorted(manager.status()["completed"]) == names


def test_a_module_may_require_a_queued_one(
    new_manager: Callable[..., WarmupManager], write_module: Callable[..., str]
) -> None:
    """One import requires the next in the queue, and the other way round, in turn."""
    manager = new_manager()
    source = "import sys\nshared.manager.require(shared.names[shared.number])"
    names: list[str] = []
    names += [
        write_module(source, manager=manager, names=names, number=number)
        for number in (1, 0)
    ]
    manager.submit(names)
    assert manager.wait(TIMEOUT)
    assert manager.status()["completed"] == names[::-1]


@pytest.mark.parametrize("end", ["cancel", "refuse"])
def test_a_module_that_never_started_is_imported_here_and_now(
    new_manager: Callable[..., WarmupManager],
    holding: Holding,
    write_module: Callable[..., str],
    end: str,
) -> None:
    """After cancel, or when the pool dropped the job, require still imports."""
    name = write_module()
    pool, _ = holding
    manager = new_manager(pool)
    manager.submit([name])
    if end == "cancel":
        manager.cancel()
    else:
        pool.futures[0].cancel()  # type: ignore[attr-defined]
    before = manager.canaries()
    assert manager.require(name) is sys.modules[name]
    assert manager.canaries() == before


def test_after_reset_nothing_is_left_of_a_failure(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    write_module: Callable[..., str],
) -> None:
    """After reset a module that failed is imported anew, without a record."""
    failing = [True]
    name = write_module("if shared.failing[0]:\n    raise OSError", failing=failing)
    manager = new_manager(inline)
    manager.submit([name])
    manager.reset()
    failing[0] = False
    assert manager.require(name) is sys.modules[name]
    assert len(manager.canaries()) == 1


def test_a_reset_meanwhile_still_gives_the_module(
    new_manager: Callable[..., WarmupManager],
    write_gated: Callable[..., Gated],
    when_waiting: WhenWaiting,
) -> None:
    """Require that waits while the run is reset returns the module all the same."""
    name, entered, gate = write_gated("WHOLE = True")
    manager = new_manager()
    manager.submit([name])
    assert entered.wait(TIMEOUT)

    def reset() -> None:
        manager.reset()
        gate.set()

    when_waiting(manager, reset)
    assert manager.require(name).WHOLE is True


def test_the_extensions_require_is_that_of_its_manager(
    run_python: Callable[..., object],
) -> None:
    """`ipywarmup.require` asks the one manager that `get_manager` always returns."""
    result = run_python("""
        import ipywarmup
        manager = ipywarmup.get_manager()
        assert manager is ipywarmup.get_manager()
        manager.submit(["nosuch"])
        assert manager.wait(10)
        try:
            ipywarmup.require("nosuch")
        except ModuleNotFoundError as error:
            assert error is manager._run.failed["nosuch"].exception
        else:
            raise AssertionError
        assert ipywarmup.require("json") is __import__("json")
    """)
    assert (result.returncode, result.stdout, result.stderr) == (  # type: ignore[attr-defined]
        0,
        "",
        "",
    )


def test_a_module_that_puts_none_into_its_place_is_none(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    write_module: Callable[..., str],
) -> None:
    """Require returns what stands in sys.modules, as `import` binds it."""
    name = write_module("import sys\nsys.modules[__name__] = None")
    manager = new_manager(inline)
    assert manager.require(name) is None
