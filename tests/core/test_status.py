"""status and is_done: what the current run has come to, as of one moment."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import threading
    from collections import deque
    from collections.abc import Callable
    from concurrent.futures import Executor

    from ipywarmup.manager import WarmupManager

    Holding = tuple[Executor, deque[Callable[[], None]]]

NOTHING: dict[str, list[str]] = {"pending": [], "completed": [], "failed": []}


def test_status_before_submit_and_after_reset_is_empty(
    new_manager: Callable[..., WarmupManager], inline: Executor
) -> None:
    """The three lists are always there, and empty when there is no run."""
    manager = new_manager(inline)
    assert manager.status() == NOTHING
    manager.submit(["json", "no_such_module_at_all"])
    assert manager.status() != NOTHING
    manager.reset()
    assert manager.status() == NOTHING


def test_pending_is_in_submission_order_and_ends_in_their_own(
    new_manager: Callable[..., WarmupManager],
    holding: Holding,
    write_module: Callable[..., str],
) -> None:
    """Pending modules keep the submission order; others stand as they ended."""
    pool, jobs = holding
    good = [write_module() for _ in range(4)]
    bad = [write_module("raise OSError") for _ in range(2)]
    names = [good[3], bad[0], good[0], good[2], bad[1], good[1]]
    manager = new_manager(pool)
    manager.submit(names)
    assert manager.status() == {**NOTHING, "pending": names}
    in_order = list(jobs)
    for position in (4, 2, 1, 0):
        in_order[position]()
    assert manager.status() == {
        "pending": [good[2], good[1]],
        "completed": [good[0], good[3]],
        "failed": [bad[1], bad[0]],
    }


def test_status_is_the_callers_own(
    new_manager: Callable[..., WarmupManager], holding: Holding
) -> None:
    """Neither the dict nor its lists are the manager's: a caller may spoil them."""
    pool, jobs = holding
    manager = new_manager(pool)
    manager.submit(["json", "no_such_module_at_all", "re"])
    jobs.popleft()()
    jobs.popleft()()
    before = manager.status()
    spoilt = manager.status()
    for names in spoilt.values():
        names.append("spoilt")
    spoilt.clear()
    assert manager.status() == before
    assert all(len(names) == 1 for names in before.values())


def test_a_module_under_way_is_pending(
    new_manager: Callable[..., WarmupManager],
    write_gated: Callable[..., tuple[str, threading.Event, threading.Event]],
) -> None:
    """An import that has started and not ended counts as pending."""
    name, entered, _ = write_gated()
    manager = new_manager()
    manager.submit([name])
    assert entered.wait(10)
    assert manager.status() == {**NOTHING, "pending": [name]}


def test_every_moment_is_consistent(
    new_manager: Callable[..., WarmupManager], write_module: Callable[..., str]
) -> None:
    """Each module is in exactly one list whenever one looks, from any thread."""
    names = [write_module() for _ in range(20)]
    manager = new_manager()
    seen: list[dict[str, list[str]]] = []
    manager.on_canary(lambda _: seen.append(manager.status()))
    manager.submit(names)
    while not manager.is_done():
        seen.append(manager.status())
    assert manager.wait(10)
    for status in seen:
        assert sorted(itertools.chain(*status.values())) == sorted(names)


def test_is_done_from_submit_to_reset(
    new_manager: Callable[..., WarmupManager], holding: Holding
) -> None:
    """False before the first submit, while something is pending, and after reset."""
    pool, jobs = holding
    manager = new_manager(pool)
    assert not manager.is_done()
    manager.submit(["json", "no_such_module_at_all"])
    assert not manager.is_done()
    jobs.popleft()()
    assert not manager.is_done()
    jobs.popleft()()
    assert manager.is_done()
    manager.reset()
    assert not manager.is_done()
    manager.submit(["re"])
    assert not manager.is_done()
    jobs.popleft()()
    assert manager.is_done()


@pytest.mark.parametrize("end", ["cancel", "shutdown"])
def test_is_done_when_nothing_was_imported_at_all(
    new_manager: Callable[..., WarmupManager], holding: Holding, end: str
) -> None:
    """A run whose modules were all cancelled is done; so is one that was refused."""
    pool, _ = holding
    manager = new_manager(pool)
    manager.submit(["json", "re"])
    if end == "cancel":
        manager.cancel()
        assert manager.status() == NOTHING
    else:
        for future in pool.futures:  # type: ignore[attr-defined]
            future.cancel()
        assert manager.status() == {**NOTHING, "failed": ["json", "re"]}
    assert manager.is_done()
