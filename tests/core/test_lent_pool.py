"""A pool that is lent: used, never shut down, and not trusted to run its jobs."""

from __future__ import annotations

import re
import threading
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from ipywarmup.pool import WarmupPool

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable

    from ipywarmup.manager import WarmupManager

    Job = Callable[[], object]
    Gated = tuple[str, threading.Event, threading.Event]

TIMEOUT = 10.0


class _Pool(Executor):
    """Accept some jobs, keep them, and do what the test says with the next one."""

    def __init__(self, accepts: int, then: Callable[[Job], object]) -> None:
        self.jobs: list[Job] = []
        self._accepts = accepts
        self._then = then

    def submit(  # type: ignore[override]
        self, fn: Callable[..., object], /, *args: object, **kwargs: object
    ) -> object:
        """Take a job, as an executor does."""

        def job() -> object:
            return fn(*args, **kwargs)

        if len(self.jobs) == self._accepts:
            return self._then(job)
        self.jobs.append(job)
        return Future[object]()


def _raise(error: BaseException) -> Callable[[Job], object]:
    def refuse(job: Job) -> object:
        del job
        raise error

    return refuse


def test_imports_run_on_the_lent_pool(
    new_manager: Callable[..., WarmupManager], write_module: Callable[..., str]
) -> None:
    """Jobs go to the executor that was passed in, which `pool` names."""
    with ThreadPoolExecutor(1, thread_name_prefix="controller-io") as pool:
        manager = new_manager(pool)
        assert manager.pool is pool
        manager.submit([write_module()])
        assert manager.wait(TIMEOUT)
        worker = pool.submit(threading.get_ident).result(TIMEOUT)
    (record,) = manager.canaries()
    assert record["thread_name"] == "controller-io_0"
    assert record["thread_id"] == worker


def test_the_own_pool_names_its_threads(
    new_manager: Callable[..., WarmupManager], write_module: Callable[..., str]
) -> None:
    """Without a pool the work is done by ipywarmup-0, a daemon thread."""
    daemon: list[bool] = []
    name = write_module(
        "import threading\nshared.daemon.append(threading.current_thread().daemon)",
        daemon=daemon,
    )
    manager = new_manager()
    manager.submit([name])
    assert manager.wait(TIMEOUT)
    assert [record["thread_name"] for record in manager.canaries()] == ["ipywarmup-0"]
    assert daemon == [True]


def test_a_lent_pool_is_never_shut_down(
    new_manager: Callable[..., WarmupManager],
    write_module: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No call of the manager shuts its pool down, nor does the manager's end."""
    calls: list[object] = []
    with ThreadPoolExecutor(1) as pool:
        with monkeypatch.context() as patch:
            patch.setattr(pool, "shutdown", lambda *_, **__: calls.append(True))
            manager = new_manager(pool)
            manager.submit([write_module(), "no_such_module_at_all"])
            assert manager.wait(TIMEOUT)
            manager.retry()
            manager.cancel()
            manager.reset()
            manager.submit([])
            del manager
        assert calls == []
        assert pool.submit(int).result(TIMEOUT) == 0


def test_a_pool_that_was_shut_down_fails_every_module(
    new_manager: Callable[..., WarmupManager],
) -> None:
    """With a pool that refuses all jobs the modules fail with its reason."""
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    manager = new_manager(pool)
    told: list[dict[str, list[str]]] = []
    manager.on_complete(told.append)
    manager.submit(["json", "re"])
    assert manager.is_done()
    assert told == [{"pending": [], "completed": [], "failed": ["json", "re"]}]
    for record in manager.canaries():
        assert record["status"] == "failed"
        assert record["error"].startswith("RuntimeError: cannot schedule new futures")
        assert record["start_ts"] is None
        assert record["end_ts"] >= record["submit_ts"]
        assert record["thread_id"] is None


def test_the_module_refused_and_those_after_it_fail(
    new_manager: Callable[..., WarmupManager], write_module: Callable[..., str]
) -> None:
    """Modules taken before the refusal are imported; the others carry its reason."""
    names = [write_module() for _ in range(4)]
    pool = _Pool(2, _raise(RuntimeError("the pool is tired")))
    manager = new_manager(pool)
    events: list[tuple[str, str]] = []
    manager.on_canary(
        lambda record: events.append((record["module"], record["status"]))
    )
    manager.submit(names)
    assert manager.status() == {
        "pending": names[:2],
        "completed": [],
        "failed": names[2:],
    }
    assert events == [(name, "failed") for name in names[2:]]
    for job in pool.jobs:
        job()
    assert manager.wait(0)
    assert manager.status()["completed"] == names[:2]
    assert [record["error"] for record in manager.canaries()] == [
        None,
        None,
        "RuntimeError: the pool is tired",
        "RuntimeError: the pool is tired",
    ]


def test_a_refusal_that_is_no_exception_still_ends_the_modules(
    new_manager: Callable[..., WarmupManager],
) -> None:
    """Ctrl-C while jobs are handed over reaches the caller, and nothing hangs."""
    manager = new_manager(_Pool(1, _raise(KeyboardInterrupt())))
    with pytest.raises(KeyboardInterrupt):
        manager.submit(["json", "re", "ast"])
    assert manager.status() == {"pending": ["json"], "completed": [], "failed": []}
    statuses = [record["status"] for record in manager.canaries()]
    assert statuses == ["running", "cancelled", "cancelled"]


def test_a_job_that_ran_before_the_refusal_keeps_its_end(
    new_manager: Callable[..., WarmupManager], write_module: Callable[..., str]
) -> None:
    """A record that has ended never changes, whatever the pool says of the job."""

    def run_and_refuse(job: Job) -> object:
        job()
        raise RuntimeError("too late")

    name = write_module()
    manager = new_manager(_Pool(0, run_and_refuse))
    told: list[object] = []
    manager.on_complete(told.append)
    manager.submit([name])
    assert manager.status()["completed"] == [name]
    assert [record["error"] for record in manager.canaries()] == [None]
    assert len(told) == 1


@pytest.mark.parametrize("make", [ThreadPoolExecutor, WarmupPool])
def test_a_pool_shut_down_midway_fails_what_it_drops(
    new_manager: Callable[..., WarmupManager],
    write_gated: Callable[..., Gated],
    write_module: Callable[..., str],
    make: Callable[[int], Executor],
) -> None:
    """With cancel_futures the import under way completes and the queued ones fail."""
    gated, entered, gate = write_gated()
    dropped = [write_module() for _ in range(2)]
    pool = make(1)
    manager = new_manager(pool)
    told: list[dict[str, list[str]]] = []
    manager.on_complete(told.append)
    manager.submit([gated, *dropped])
    assert entered.wait(TIMEOUT)
    pool.shutdown(wait=False, cancel_futures=True)
    assert manager.status() == {"pending": [gated], "completed": [], "failed": dropped}
    gate.set()
    assert manager.wait(TIMEOUT)
    pool.shutdown()
    assert told == [{"pending": [], "completed": [gated], "failed": dropped}]
    for record in manager.canaries()[1:]:
        assert re.match(r"RuntimeError: .+", record["error"])
        assert record["start_ts"] is None


def test_a_future_cancelled_by_somebody_fails_its_module(
    new_manager: Callable[..., WarmupManager],
    holding: tuple[Any, deque[Callable[[], None]]],
    write_module: Callable[..., str],
) -> None:
    """A job whose future is cancelled fails, and is not imported any more."""
    pool, jobs = holding
    names = [write_module() for _ in range(2)]
    manager = new_manager(pool)
    manager.submit(names)
    assert pool.futures[0].cancel()
    for job in jobs:
        job()
    assert manager.status() == {
        "pending": [],
        "completed": names[1:],
        "failed": names[:1],
    }


@pytest.mark.parametrize("way", ["drop", "refuse"])
def test_a_module_required_meanwhile_is_not_the_pools_to_fail(  # noqa: PLR0913, PLR0917
    new_manager: Callable[..., WarmupManager],
    holding: tuple[Any, deque[Callable[[], None]]],
    write_gated: Callable[..., Gated],
    on_thread: Callable[[Job], threading.Thread],
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    """Dropped or refused while another thread imports it, a module still completes."""
    pool, _ = holding
    name, entered, gate = write_gated()
    manager = new_manager(pool)
    hand_over = manager.prepare([name])
    if way == "drop":
        hand_over()
    thread = on_thread(lambda: manager.require(name))
    assert entered.wait(TIMEOUT)
    if way == "drop":
        assert pool.futures[0].cancel()
    else:
        monkeypatch.setattr(pool, "submit", _Pool(0, _raise(OSError())).submit)
        hand_over()
    assert manager.status()["pending"] == [name]
    gate.set()
    thread.join(TIMEOUT)
    assert manager.status()["completed"] == [name]


def test_a_future_that_fails_without_running_fails_its_module(
    new_manager: Callable[..., WarmupManager],
) -> None:
    """What the pool itself puts into the future becomes the record's error."""

    def fail(job: Job) -> object:
        del job
        future: Future[object] = Future()
        future.set_exception(OSError("no room to run"))
        return future

    manager = new_manager(_Pool(0, fail))
    manager.submit(["json"])
    assert manager.is_done()
    assert [record["error"] for record in manager.canaries()] == [
        "OSError: no room to run"
    ]


def test_a_pool_whose_threads_cannot_start_fails_every_module(
    new_manager: Callable[..., WarmupManager],
) -> None:
    """Whether a broken pool refuses a job or drops it, the warmup ends."""

    def initializer() -> None:
        raise LookupError("no initializer today")

    with ThreadPoolExecutor(1, initializer=initializer) as pool:
        manager = new_manager(pool)
        manager.submit(["json", "re", "ast"])
        assert manager.wait(TIMEOUT)
    assert manager.status()["completed"] == []
    for record in manager.canaries():
        assert record["error"].startswith("BrokenThreadPool: ")
