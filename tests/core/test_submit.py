"""submit: starts a warmup, once."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from concurrent.futures import Executor
    from pathlib import Path

    from ipywarmup.manager import WarmupManager

    Gated = tuple[str, threading.Event, threading.Event]

TIMEOUT = 10.0
NOTHING: dict[str, list[str]] = {"pending": [], "completed": [], "failed": []}


def test_modules_are_imported_in_the_background(
    new_manager: Callable[..., WarmupManager], write_module: Callable[..., str]
) -> None:
    """What is submitted ends up in sys.modules, imported by another thread."""
    threads: list[int] = []
    source = "import threading\nshared.threads.append(threading.get_ident())"
    names = [write_module(source, threads=threads) for _ in range(3)]
    manager = new_manager()
    manager.submit(names)
    assert manager.wait(TIMEOUT)
    assert manager.status() == {**NOTHING, "completed": names}
    assert sys.modules.keys() >= set(names)
    assert len(threads) == 3
    assert threading.get_ident() not in threads


def test_submit_returns_while_an_import_is_under_way(
    new_manager: Callable[..., WarmupManager], write_gated: Callable[..., Gated]
) -> None:
    """Submit does not wait for imports."""
    name, entered, gate = write_gated()
    manager = new_manager()
    manager.submit([name])
    assert entered.wait(TIMEOUT)
    assert manager.status()["pending"] == [name]
    assert not manager.is_done()
    gate.set()
    assert manager.wait(TIMEOUT)


def test_a_submodule_is_imported_with_its_parents(
    new_manager: Callable[..., WarmupManager],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A dotted name imports what `import` of that name does."""
    package = tmp_path / "throwaway_package" / "inner"
    package.mkdir(parents=True)
    (package / "leaf.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    name = "throwaway_package.inner.leaf"
    parents = ["throwaway_package", "throwaway_package.inner"]
    manager = new_manager()
    manager.submit([name])
    assert manager.wait(TIMEOUT)
    assert manager.status()["completed"] == [name]
    assert [sys.modules.pop(loaded).__name__ for loaded in (*parents, name)] == [
        *parents,
        name,
    ]


@pytest.mark.parametrize("second", [["re"], ["json"], []])
def test_a_second_submit_while_one_runs_is_a_runtime_error(
    new_manager: Callable[..., WarmupManager],
    holding: tuple[Executor, deque[Callable[[], None]]],
    second: list[str],
) -> None:
    """Submit refuses to start a second warmup, and says what to call instead."""
    pool, jobs = holding
    manager = new_manager(pool)
    manager.submit(["json"])
    with pytest.raises(RuntimeError, match=r"reset\(\)"):
        manager.submit(second)
    assert manager.status() == {**NOTHING, "pending": ["json"]}
    assert len(manager.canaries()) == 1
    assert len(jobs) == 1


@pytest.mark.parametrize("first", [["json"], []])
def test_a_second_submit_after_the_end_is_a_runtime_error(
    new_manager: Callable[..., WarmupManager], first: list[str]
) -> None:
    """A warmup that has ended counts until reset, be it an empty one."""
    manager = new_manager()
    manager.submit(first)
    assert manager.wait(TIMEOUT)
    with pytest.raises(RuntimeError):
        manager.submit(["re"])
    assert manager.status() == {**NOTHING, "completed": first}
    manager.reset()
    manager.submit(["re"])
    assert manager.wait(TIMEOUT)


@pytest.mark.parametrize("way_in", ["submit", "extend"])
@pytest.mark.parametrize("empty", [[], (), iter(())])
def test_an_empty_list_is_done_at_once(
    new_manager: Callable[..., WarmupManager], way_in: str, empty: object
) -> None:
    """With no names the warmup is done when submit returns, and its callbacks fired."""
    manager = new_manager()
    told: list[tuple[object, int]] = []
    events: list[object] = []
    manager.on_complete(lambda status: told.append((status, threading.get_ident())))
    manager.on_canary(events.append)
    getattr(manager, way_in)(empty)
    assert manager.is_done()
    assert told == [(NOTHING, threading.get_ident())]
    assert manager.wait(0)
    assert manager.status() == NOTHING
    assert events == manager.canaries() == []


def test_a_name_given_twice_is_imported_once(
    new_manager: Callable[..., WarmupManager], write_module: Callable[..., str]
) -> None:
    """A duplicate has no record, no entry in the status and no import of its own."""
    runs: list[str] = []
    first, second = (
        write_module("shared.runs.append(__name__)", runs=runs) for _ in range(2)
    )
    manager = new_manager()
    events: list[tuple[str, str]] = []
    manager.on_canary(
        lambda record: events.append((record["module"], record["status"]))
    )
    manager.submit([first, second, first, first, second])
    assert manager.wait(TIMEOUT)
    assert runs == [first, second]
    assert manager.status()["completed"] == [first, second]
    assert [record["module"] for record in manager.canaries()] == [first, second]
    assert len(events) == 4


def test_any_iterable_of_names_will_do(
    new_manager: Callable[..., WarmupManager],
    holding: tuple[Executor, deque[Callable[[], None]]],
) -> None:
    """A generator of names counts as a list of them."""
    manager = new_manager(holding[0])
    manager.submit(name for name in ("json", "re"))
    assert manager.status()["pending"] == ["json", "re"]


def test_jobs_start_in_submission_order(
    new_manager: Callable[..., WarmupManager], write_module: Callable[..., str]
) -> None:
    """The manager's own pool imports in the order of the list."""
    runs: list[str] = []
    names = [write_module("shared.runs.append(__name__)", runs=runs) for _ in range(10)]
    manager = new_manager()
    manager.submit(reversed(names))
    assert manager.wait(TIMEOUT)
    assert runs == names[::-1]


def test_prepare_makes_records_and_hands_over_later(
    new_manager: Callable[..., WarmupManager],
    holding: tuple[Executor, deque[Callable[[], None]]],
) -> None:
    """Between the halves the modules are pending and the pool has no job."""
    pool, jobs = holding
    manager = new_manager(pool)
    hand_over = manager.prepare(["json", "re"])
    assert manager.status()["pending"] == ["json", "re"]
    assert not jobs
    hand_over()
    assert len(jobs) == 2


def test_prepare_of_nothing_is_done_at_once(
    new_manager: Callable[..., WarmupManager],
) -> None:
    """With no names the callbacks fire in the first half, not in the second."""
    manager = new_manager()
    told: list[object] = []
    manager.on_complete(told.append)
    hand_over = manager.prepare([])
    assert told == [NOTHING]
    assert manager.is_done()
    manager.reset()
    manager.on_complete(told.append)
    hand_over()
    assert told == [NOTHING]


def test_what_is_cancelled_between_the_halves_is_not_imported(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    write_module: Callable[..., str],
) -> None:
    """A job handed over for a record that has ended imports nothing."""
    name = write_module()
    manager = new_manager(inline)
    hand_over = manager.prepare([name])
    assert manager.cancel() == [name]
    hand_over()
    assert name not in sys.modules
    assert [record["status"] for record in manager.canaries()] == ["cancelled"]
