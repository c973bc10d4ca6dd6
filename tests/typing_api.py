"""The public API with the types that users would write; for mypy alone, never run."""

from __future__ import annotations

from concurrent.futures import Executor, Future, ThreadPoolExecutor
from types import ModuleType
from typing import TYPE_CHECKING, Any, assert_type

import ipywarmup
from ipywarmup import WarmupManager, WarmupPool, get_manager, require

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


def told_status(status: dict[str, list[str]]) -> None:
    """Be an on_complete callback."""
    for name in status["failed"]:
        assert_type(name, str)


def told_record(record: dict[str, Any]) -> int:
    """Be an on_canary callback, whose result nobody wants."""
    return len(record["module"])


def use_a_manager() -> None:
    """Call everything a manager offers."""
    manager: WarmupManager = WarmupManager()
    WarmupManager(None, log_to_stderr=False)
    WarmupManager(ThreadPoolExecutor(1))
    WarmupManager(pool=WarmupPool(2))
    WarmupManager(None, False)  # type: ignore[call-arg]  # noqa: FBT003 - must not pass
    assert_type(manager.pool, Executor)
    manager.log_to_stderr = False
    manager.submit(["numpy"])
    manager.submit(("numpy", "pandas"))
    manager.submit(name for name in ("numpy", "pandas"))
    manager.submit([1])  # type: ignore[list-item]
    manager.extend({"numpy", "pandas"})
    half: Callable[[], None] = manager.prepare([])
    half()
    assert_type(manager.retry(), list[str])
    assert_type(manager.status(), dict[str, list[str]])
    assert_type(manager.is_done(), bool)
    assert_type(manager.wait(), bool)
    assert_type(manager.wait(1.5, ["numpy"]), bool)
    assert_type(manager.wait(timeout=None, modules=None), bool)
    manager.on_complete(told_status)
    manager.on_complete(print)
    manager.on_complete(told_record)
    manager.on_complete(lambda: None)  # type: ignore[misc, arg-type]
    unsubscribe: Callable[[], None] = manager.on_canary(told_record)
    unsubscribe()
    assert_type(manager.canaries(), list[dict[str, Any]])
    totals: Mapping[str, object] = manager.totals()
    assert_type(manager.totals()["hidden_ms"], float)
    assert_type(manager.totals()["worst_stall_ms"], float | None)
    assert_type(list(totals), list[str])
    module: ModuleType = manager.require("numpy", timeout=3)
    assert_type(module, ModuleType)
    assert_type(manager.cancel(), list[str])
    manager.reset()


def use_a_pool() -> None:
    """Call everything a pool offers."""
    pool: Executor = WarmupPool()
    assert_type(pool.submit(int, "7"), Future[int])
    with WarmupPool(lanes=2, patience=5.0) as own:
        assert_type(own.submit(str, 7), Future[str])
        own.submit(int, "7", no_such_keyword=True)  # type: ignore[arg-type]
        own.lanes = 3
        assert_type(own.lanes, int)
        own.put_first([own.submit(int), own.submit(str)])
        own.put_first([7])  # type: ignore[list-item]
        with own.holding():
            own.shutdown(wait=False, cancel_futures=True)


def use_the_extensions_own() -> None:
    """Call the functions of the package."""
    assert_type(get_manager(), WarmupManager)
    assert_type(require("numpy"), ModuleType)
    assert_type(ipywarmup.require("numpy", 1.0), ModuleType)
    assert_type(ipywarmup.__version__, str)
    ipywarmup.nosuch  # type: ignore[attr-defined]  # noqa: B018 - must not pass
