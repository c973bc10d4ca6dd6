"""The order of imports: parents before children, and first what somebody waits for."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipywarmup.names import parents_first
from ipywarmup.pool import WarmupPool

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from concurrent.futures import Executor

    from ipywarmup.manager import WarmupManager

    Gated = tuple[str, threading.Event, threading.Event]
    Holding = tuple[Executor, deque[Callable[[], None]]]

TIMEOUT = 10.0
FAMILY = ["xml.dom.minidom", "json", "xml.dom", "json.decoder", "xml", "ast"]
IN_ORDER = ["xml", "xml.dom", "xml.dom.minidom", "json", "json.decoder", "ast"]

NAMES = st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(".".join))


@given(names=NAMES, among=NAMES)
def test_parents_go_first(names: list[str], among: list[str]) -> None:
    """Each name comes once, after the parents that matter, else in its place."""
    ordered = parents_first(names, among)
    assert len(ordered) == len(set(ordered))
    assert set(ordered) >= set(names)
    for name in ordered:
        parents = {name.rsplit(".", n)[0] for n in range(1, name.count(".") + 1)}
        before = ordered[: ordered.index(name)]
        assert set(before) >= parents & {*names, *among} & {*among}
    added = [name for name in ordered if name not in names]
    assert all(any(each.startswith(f"{name}.") for each in names) for name in added)
    if not any(name.startswith(f"{each}.") for name in names for each in among):
        assert ordered == list(dict.fromkeys(names))


def _run_all(jobs: deque[Callable[[], None]]) -> None:
    while jobs:
        jobs.popleft()()


def test_a_package_is_imported_before_its_modules(
    new_manager: Callable[..., WarmupManager], holding: Holding
) -> None:
    """The pool gets parents first; status and records are in the order submitted."""
    pool, jobs = holding
    manager = new_manager(pool)
    manager.submit(FAMILY)
    assert manager.status()["pending"] == FAMILY
    _run_all(jobs)
    assert manager.status()["completed"] == IN_ORDER
    assert [record["module"] for record in manager.canaries()] == FAMILY


def test_what_is_added_is_ordered_by_itself(
    new_manager: Callable[..., WarmupManager], holding: Holding
) -> None:
    """A parent that comes later does not go before what is queued already."""
    pool, jobs = holding
    manager = new_manager(pool)
    manager.submit(["xml.dom"])
    manager.extend(["json.decoder", "xml", "json"])
    _run_all(jobs)
    assert manager.status()["completed"] == ["xml.dom", "json", "json.decoder", "xml"]


def test_what_is_tried_again_is_ordered_too(
    new_manager: Callable[..., WarmupManager], holding: Holding
) -> None:
    """Retry hands the pool parents first, whichever failed first."""
    pool, jobs = holding
    manager = new_manager(pool)
    manager.submit(["xml.dom", "json"])
    manager.extend(["xml"])
    for future in pool.futures:  # type: ignore[attr-defined]
        future.cancel()
    jobs.clear()
    assert manager.retry() == ["xml.dom", "json", "xml"]
    _run_all(jobs)
    assert manager.status()["completed"] == ["xml", "xml.dom", "json"]


def test_a_pool_that_refuses_fails_children_with_their_parents(
    new_manager: Callable[..., WarmupManager], holding: Holding
) -> None:
    """What comes after a refused job in the pool's order fails with it."""
    pool, jobs = holding
    submit = pool.submit

    def submit_one(*arguments: object) -> object:
        if jobs:
            raise RuntimeError("no room")
        return submit(*arguments)  # type: ignore[arg-type]

    pool.submit = submit_one  # type: ignore[assignment]
    manager = new_manager(pool)
    manager.submit(["xml.dom", "json", "xml"])
    assert manager.status()["pending"] == ["xml"]
    assert manager.status()["failed"] == ["xml.dom", "json"]


class Queue:
    """A manager whose only lane is taken, so that all that follows is queued."""

    def __init__(self, manager: WarmupManager, gated: Gated) -> None:
        self.manager = manager
        self._name, entered, self._gate = gated
        manager.submit([self._name])
        assert entered.wait(TIMEOUT)

    def release(self) -> list[str]:
        """Let the lane go; return what was queued, in the order of the imports."""
        self._gate.set()
        assert self.manager.wait(TIMEOUT)
        completed = self.manager.status()["completed"]
        assert completed.pop(0) == self._name
        return completed


@pytest.fixture
def new_queue(
    new_manager: Callable[..., WarmupManager], write_gated: Callable[..., Gated]
) -> Callable[..., Queue]:
    """Return a function that makes a queue behind a lane that is taken."""

    def make(pool: Executor | None = None) -> Queue:
        return Queue(new_manager(pool), write_gated())

    return make


def test_what_somebody_waits_for_goes_first(new_queue: Callable[..., Queue]) -> None:
    """Those waited for start next, in the order named; the others stay in theirs."""
    queue = new_queue()
    queue.manager.extend(["json", "ast", "csv", "re", "bz2"])
    assert not queue.manager.wait(0, ["re", "csv"])
    assert queue.manager.status()["pending"][1:] == ["json", "ast", "csv", "re", "bz2"]
    assert queue.release() == ["re", "csv", "json", "ast", "bz2"]


def test_the_last_to_wait_goes_first(new_queue: Callable[..., Queue]) -> None:
    """A module waited for later goes before those waited for until then."""
    queue = new_queue()
    queue.manager.extend(["json", "ast", "csv"])
    for name in ("ast", "csv"):
        assert not queue.manager.wait(0, [name])
    queue.manager.extend(["re"])
    assert queue.release() == ["csv", "ast", "json", "re"]


@pytest.mark.parametrize("waited", [["xml.dom.minidom"], ["xml.dom.minidom", "xml"]])
def test_its_queued_parents_go_with_it(
    new_queue: Callable[..., Queue], waited: list[str]
) -> None:
    """Parents stay before children, named in the wait or not."""
    queue = new_queue()
    queue.manager.extend(["json", "xml.dom.minidom", "xml.dom", "ast", "xml"])
    assert not queue.manager.wait(0, waited)
    family = ["xml", "xml.dom", "xml.dom.minidom"]
    assert queue.release() == [*family, "json", "ast"]


def test_to_wait_for_all_changes_no_order(new_queue: Callable[..., Queue]) -> None:
    """Without names, nothing goes before anything else."""
    queue = new_queue()
    queue.manager.extend(["json", "ast", "csv"])
    assert not queue.manager.wait(0, ["csv"])
    assert not queue.manager.wait(0)
    assert queue.release() == ["csv", "json", "ast"]


def test_what_is_not_queued_any_more_is_passed_over(
    new_queue: Callable[..., Queue],
) -> None:
    """Cancelled, imported by require and asked for anew: only what is queued moves."""
    queue = new_queue()
    manager = queue.manager
    manager.extend(["json", "ast"])
    assert manager.cancel() == ["json", "ast"]
    manager.extend(["csv", "re", "json"])
    manager.require("re")
    running = manager.status()["pending"][0]
    assert not manager.wait(0, [running, "ast", "re", "json"])
    manager.status()["completed"].remove("re")
    assert manager.status()["completed"] == ["re"]
    queue._gate.set()
    assert manager.wait(TIMEOUT)
    assert manager.status()["completed"] == ["re", running, "json", "csv"]


def test_what_another_thread_waits_for_goes_first(
    new_queue: Callable[..., Queue],
    on_thread: Callable[[Callable[[], object]], threading.Thread],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever waits, and for however long, the module moves before the wait begins."""
    queue = new_queue()
    queue.manager.extend(["json", "ast"])
    waiting, wait = threading.Event(), queue.manager._condition.wait

    def reporting_wait(timeout: float | None = None) -> bool:
        waiting.set()
        return wait(timeout)

    monkeypatch.setattr(queue.manager._condition, "wait", reporting_wait)
    thread = on_thread(lambda: queue.manager.wait(TIMEOUT, ["ast"]))
    assert waiting.wait(TIMEOUT)
    assert queue.release() == ["ast", "json"]
    thread.join(TIMEOUT)


def test_a_lent_pool_of_our_kind_has_a_queue_too(
    new_queue: Callable[..., Queue], new_manager: Callable[..., WarmupManager]
) -> None:
    """A wait goes before what another manager has queued in the same pool."""
    pool = WarmupPool(1)
    queue, other = new_queue(pool), new_manager(pool)
    order: list[str] = []
    for manager in (queue.manager, other):
        manager.on_canary(
            lambda record: order.append(record["module"]) if record["end_ts"] else None
        )
    queue.manager.extend(["json", "ast"])
    other.submit(["csv", "re"])
    assert not other.wait(0, ["re"])
    queue.release()
    assert other.wait(TIMEOUT)
    assert order[1:] == ["re", "json", "ast", "csv"]


def test_a_lent_executor_keeps_its_order(new_queue: Callable[..., Queue]) -> None:
    """Where there is no queue that can be changed, to wait is all there is to do."""
    with ThreadPoolExecutor(1) as pool:
        queue = new_queue(pool)
        queue.manager.extend(["json", "ast", "csv"])
        assert not queue.manager.wait(0, ["csv"])
        assert queue.release() == ["json", "ast", "csv"]


def test_what_has_ended_changes_nothing_for_the_others(
    new_queue: Callable[..., Queue], write_gated: Callable[..., Gated]
) -> None:
    """A wait moves modules after others have ended, too, of which no job is kept."""
    queue = new_queue()
    name, entered, gate = write_gated()
    queue.manager.extend(["json", name, "ast", "csv"])
    queue._gate.set()
    assert entered.wait(TIMEOUT)
    assert not queue.manager.wait(0, ["csv"])
    gate.set()
    assert queue.release() == ["json", name, "csv", "ast"]
    queue.manager.pool.shutdown()
    assert queue.manager._jobs == {}
