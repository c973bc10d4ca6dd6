"""The interpreter's settings while a warmup runs, and afterwards."""

from __future__ import annotations

import gc
import importlib
import queue
import shutil
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

from ipywarmup import importing
from ipywarmup.pool import WarmupPool
from ipywarmup.responsiveness.settings import settings
from tests.core.conftest import TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ipywarmup.manager import WarmupManager

    Gated: TypeAlias = tuple[str, threading.Event, threading.Event]

THEIRS = (701, 11, 12), 0.004


def now() -> tuple[tuple[int, int, int], float]:
    """Return the settings of the interpreter."""
    return gc.get_threshold(), round(sys.getswitchinterval(), 6)


@pytest.fixture(autouse=True)
def _theirs() -> Iterator[None]:
    before = gc.get_threshold(), sys.getswitchinterval()
    gc.set_threshold(*THEIRS[0])
    sys.setswitchinterval(THEIRS[1] + 0.5e-6)
    yield
    gc.set_threshold(*before[0])
    sys.setswitchinterval(before[1])


def test_settings_are_borrowed_until_the_last_module_has_ended(
    new_manager: Callable[..., WarmupManager],
    write_gated: Callable[..., Gated],
    write_module: Callable[..., str],
) -> None:
    """Also between modules, and whether the imports fail or not."""
    manager = new_manager()
    first, entered, gate = write_gated()
    last, last_entered, last_gate = write_gated("raise SystemExit(3)")
    seen = []
    manager.on_canary(lambda record: seen.append((record["status"], now())))
    manager.submit([first, write_module("raise OSError"), last])
    assert entered.wait(TIMEOUT)
    gate.set()
    assert last_entered.wait(TIMEOUT)
    assert now()[1] == settings.switch_interval
    last_gate.set()
    assert manager.wait(TIMEOUT)
    assert now() == THEIRS
    *during, (status, _) = seen
    assert status == "failed"
    assert {interval for _, (_, interval) in during} == {settings.switch_interval}


@pytest.mark.parametrize("end", ["cancel", "reset"])
def test_settings_are_given_back_by_what_was_queued(
    new_manager: Callable[..., WarmupManager],
    write_module: Callable[..., str],
    end: str,
) -> None:
    """A module that never starts keeps nothing borrowed."""
    pool = WarmupPool()
    manager = new_manager(pool)
    with pool.holding():
        manager.submit([write_module(), write_module()])
        assert now() != THEIRS
        getattr(manager, end)()
        assert now() == THEIRS


def test_settings_are_borrowed_by_the_import_of_a_warmup_that_was_reset(
    new_manager: Callable[..., WarmupManager], write_gated: Callable[..., Gated]
) -> None:
    """The import goes on, and gives back as it ends."""
    manager = new_manager()
    name, entered, gate = write_gated()
    manager.submit([name])
    assert entered.wait(TIMEOUT)
    manager.reset()
    assert now() != THEIRS
    gate.set()
    # The worker takes the next job once that import has ended.
    manager.submit(["json"])
    assert manager.wait(TIMEOUT)
    assert now() == THEIRS


def test_managers_share_the_settings(
    new_manager: Callable[..., WarmupManager], write_gated: Callable[..., Gated]
) -> None:
    """The first to be done does not take them from the other."""
    managers = [new_manager(), new_manager()]
    gated = [write_gated(), write_gated()]
    for manager, (name, entered, _) in zip(managers, gated, strict=True):
        manager.submit([name])
        assert entered.wait(TIMEOUT)
    gated[0][2].set()
    assert managers[0].wait(TIMEOUT)
    assert now()[1] == settings.switch_interval
    gated[1][2].set()
    assert managers[1].wait(TIMEOUT)
    assert now() == THEIRS


def test_what_a_module_or_a_cell_sets_meanwhile_stays(
    new_manager: Callable[..., WarmupManager], write_gated: Callable[..., Gated]
) -> None:
    """The collector's thresholds of a module, the interval of the main thread."""
    manager = new_manager()
    name, entered, gate = write_gated("import gc; gc.set_threshold(1_234, 5, 6)")
    manager.submit([name])
    assert entered.wait(TIMEOUT)
    sys.setswitchinterval(0.25)
    gate.set()
    assert manager.wait(TIMEOUT)
    assert now() == ((1_234, 5, 6), 0.25)


def test_an_import_that_never_ends_does_not_keep_the_settings(
    new_manager: Callable[..., WarmupManager],
    write_gated: Callable[..., Gated],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After the limit they are the user's, while the import still goes on."""
    manager = new_manager()
    name, entered, gate = write_gated()
    given_back = threading.Event()
    put_back = settings._put_back

    def note() -> None:
        put_back()
        given_back.set()

    monkeypatch.setattr(settings, "_put_back", note)
    manager.submit([name])
    assert entered.wait(TIMEOUT)
    assert now() != THEIRS
    assert not given_back.is_set()
    late = settings._clock() + settings.limit
    monkeypatch.setattr(settings, "_clock", lambda: late)
    assert given_back.wait(TIMEOUT)
    assert now() == THEIRS
    assert manager.status()["pending"] == [name]
    gate.set()
    assert manager.wait(TIMEOUT)
    assert now() == THEIRS


def test_a_manager_that_is_gone_keeps_nothing_borrowed(
    write_gated: Callable[..., Gated],
) -> None:
    """As if it had never been asked for anything."""
    from ipywarmup.manager import WarmupManager  # noqa: PLC0415 - has no fixture

    pool = WarmupPool()
    manager = WarmupManager(pool, log_to_stderr=False)
    with pool.holding():
        manager.submit([write_gated()[0]])
        pool.shutdown(wait=False, cancel_futures=True)
    del manager
    gc.collect()
    settings.check()
    assert now() == THEIRS


def test_the_collector_is_told_who_computes(
    new_manager: Callable[..., WarmupManager],
    write_gated: Callable[..., Gated],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nobody does while the main thread waits and the worker imports; then it does."""
    told: queue.SimpleQueue[bool | None] = queue.SimpleQueue()
    adapt = settings.adapt

    def note(*, idle: bool | None) -> None:
        adapt(idle=idle)
        told.put(idle)

    monkeypatch.setattr(settings, "adapt", note)
    manager = new_manager()
    name, entered, gate = write_gated(
        "while not shared.gate_of_the_loop.is_set(): sum(range(1_000))"
    )
    holder = sys.modules[f"{name}_shared"]
    holder.gate_of_the_loop = loop = threading.Event()  # type: ignore[attr-defined]
    manager.submit([name])
    assert entered.wait(TIMEOUT)
    gate.set()
    try:
        # The worker computes, and nobody else.
        while told.get(timeout=TIMEOUT) is not True:
            pass
        deadline = time.monotonic() + TIMEOUT
        busy = False
        while not busy and time.monotonic() < deadline:
            sum(range(10_000))
            while not told.empty():
                busy = told.get() is False
        assert busy
    finally:
        loop.set()
    assert manager.wait(TIMEOUT)


def test_libraries_are_opened_before_the_extension_modules_of_a_worker(
    new_manager: Callable[..., WarmupManager],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What looks for them is given the file."""
    file = next(
        Path(file)
        for name in ("_json", "_heapq", "_bisect", "_random", "_ctypes")
        if (file := getattr(importlib.import_module(name), "__file__", None))
    )
    package = tmp_path / "throwaway_package"
    package.mkdir()
    (package / "__init__.py").touch()
    copy = Path(shutil.copy(file, package))
    monkeypatch.syspath_prepend(tmp_path)
    seen: list[str] = []
    monkeypatch.setattr(importing, "open_needed", seen.append)
    name = f"throwaway_package.{copy.name.partition('.')[0]}"
    manager = new_manager()
    manager.submit([name])
    assert manager.wait(TIMEOUT)
    assert manager.status()["completed"] == [name]
    assert seen == [str(copy)]
    for module in (name, "throwaway_package"):
        sys.modules.pop(module, None)
