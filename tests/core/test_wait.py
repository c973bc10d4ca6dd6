"""wait: blocks until the run is done, or some of its modules are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import threading
    from collections import deque
    from collections.abc import Callable
    from concurrent.futures import Executor
    from pathlib import Path

    from ipywarmup.manager import WarmupManager

    Gated = tuple[str, threading.Event, threading.Event]
    Holding = tuple[Executor, deque[Callable[[], None]]]
    WhenWaiting = Callable[[WarmupManager, Callable[[], object]], None]

TIMEOUT = 10.0


def test_wait_blocks_until_the_run_is_done(
    new_manager: Callable[..., WarmupManager],
    write_gated: Callable[..., Gated],
    write_module: Callable[..., str],
    when_waiting: WhenWaiting,
) -> None:
    """An import that ends while wait blocks lets it go, with True."""
    name, _, gate = write_gated()
    names = [write_module(), name, write_module()]
    manager = new_manager()
    manager.submit(names)
    when_waiting(manager, gate.set)
    assert manager.wait(TIMEOUT) is True
    assert manager.status()["completed"] == names


def test_wait_for_ever_ends_when_the_run_does(
    new_manager: Callable[..., WarmupManager],
    write_gated: Callable[..., Gated],
    when_waiting: WhenWaiting,
) -> None:
    """Without a timeout wait lasts as long as the run, and returns True."""
    name, _, gate = write_gated("raise OSError('failed ones are done, too')")
    manager = new_manager()
    manager.submit([name])
    when_waiting(manager, gate.set)
    assert manager.wait() is True
    assert manager.status()["failed"] == [name]


@pytest.mark.parametrize("timeout", [0, 0.0, 0.01, -1])
def test_wait_gives_up_after_the_timeout(
    new_manager: Callable[..., WarmupManager], holding: Holding, timeout: float
) -> None:
    """Wait returns False when time is up, for the run and for a module of it."""
    pool, jobs = holding
    manager = new_manager(pool)
    manager.submit(["json", "re"])
    jobs.popleft()()
    assert manager.wait(timeout) is False
    assert manager.wait(timeout, ["re"]) is False
    assert manager.wait(timeout, ["json", "re"]) is False
    jobs.popleft()()
    assert manager.wait(timeout) is True
    assert manager.wait(timeout, ["json", "re"]) is True


def test_wait_before_submit_is_not_done(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    when_waiting: WhenWaiting,
) -> None:
    """Before the first submit wait blocks until a run is started and done."""
    manager = new_manager(inline)
    assert manager.wait(0) is False
    when_waiting(manager, lambda: manager.submit(["json"]))
    assert manager.wait(TIMEOUT) is True


def test_wait_for_some_ends_with_those(
    new_manager: Callable[..., WarmupManager],
    write_gated: Callable[..., Gated],
    write_module: Callable[..., str],
) -> None:
    """Wait for modules returns once these are done, while others are pending."""
    good, bad = write_module(), write_module("raise OSError")
    name, _, _ = write_gated()
    manager = new_manager()
    manager.submit([bad, good, name])
    assert manager.wait(TIMEOUT, [good, bad]) is True
    assert manager.wait(TIMEOUT, iter([good, good])) is True
    assert not manager.is_done()
    assert manager.wait(0, [good, name]) is False


def test_wait_for_no_module_returns_at_once(
    new_manager: Callable[..., WarmupManager], holding: Holding
) -> None:
    """Of no modules, all are done."""
    manager = new_manager(holding[0])
    manager.submit(["json"])
    assert manager.wait(TIMEOUT, []) is True


@pytest.mark.parametrize("submitted", [True, False])
def test_wait_for_a_module_nobody_submitted_is_an_error(
    new_manager: Callable[..., WarmupManager], holding: Holding, *, submitted: bool
) -> None:
    """Wait names the module that is not part of the run, instead of hanging."""
    manager = new_manager(holding[0])
    if submitted:
        manager.submit(["json"])
    with pytest.raises(ValueError, match="'nosuch' is not part"):
        manager.wait(TIMEOUT, ["json", "nosuch"] if submitted else ["nosuch"])


def test_a_cancelled_module_is_waited_for_no_longer(
    new_manager: Callable[..., WarmupManager],
    holding: Holding,
    when_waiting: WhenWaiting,
) -> None:
    """Cancel lets those go who wait for what it drops."""
    manager = new_manager(holding[0])
    manager.submit(["json"])
    when_waiting(manager, manager.cancel)
    assert manager.wait(TIMEOUT, ["json"]) is True


@pytest.mark.parametrize("modules", [None, ["json"]])
def test_reset_lets_those_go_who_wait(
    new_manager: Callable[..., WarmupManager],
    holding: Holding,
    when_waiting: WhenWaiting,
    modules: list[str] | None,
) -> None:
    """Wait returns False when the run it waits for is forgotten."""
    manager = new_manager(holding[0])
    manager.submit(["json"])
    when_waiting(manager, manager.reset)
    assert manager.wait(TIMEOUT, modules) is False


def test_several_threads_wait_at_once(
    new_manager: Callable[..., WarmupManager],
    write_gated: Callable[..., Gated],
    on_thread: Callable[[Callable[[], object]], threading.Thread],
) -> None:
    """The end of the run lets all of them go."""
    name, entered, gate = write_gated()
    manager = new_manager()
    manager.submit([name])
    assert entered.wait(TIMEOUT)
    results: list[bool] = []
    threads = [
        on_thread(lambda: results.append(manager.wait(TIMEOUT))) for _ in range(5)
    ]
    gate.set()
    for thread in threads:
        thread.join(TIMEOUT)
    assert results == [True] * 5


@pytest.mark.skipif(sys.platform == "win32", reason="sends SIGINT to one process")
@pytest.mark.parametrize("call", ["wait()", "wait(600)", "require('blocked')"])
def test_ctrl_c_gets_through(tmp_path: Path, call: str) -> None:
    """SIGINT ends a wait with KeyboardInterrupt, and the process exits in peace."""
    (tmp_path / "blocked.py").write_text(
        "import threading\nENTERED.set()\nthreading.Event().wait()"
    )
    script = tmp_path / "script.py"
    script.write_text(f"""
import builtins, signal, threading
from ipywarmup import WarmupManager
signal.signal(signal.SIGINT, signal.default_int_handler)
builtins.ENTERED = threading.Event()
manager = WarmupManager()
manager.submit(["blocked"])
ENTERED.wait()
wait = manager._condition.wait
def reporting_wait(timeout=None):
    print("waiting", flush=True)
    return wait(timeout)
manager._condition.wait = reporting_wait
try:
    manager.{call}
except KeyboardInterrupt:
    print("interrupted", manager.status())
""")
    with subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "waiting\n"
            os.kill(process.pid, signal.SIGINT)
            out, err = process.communicate(timeout=TIMEOUT)
        finally:
            process.kill()
    assert out.startswith("interrupted {'pending': ['blocked']")
    assert err == ""
    assert process.returncode == 0
