"""The log lines on stderr, to the letter."""

from __future__ import annotations

import io
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from ipywarmup.manager import WarmupManager

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from concurrent.futures import Executor

    Holding = tuple[Executor, deque[Callable[[], None]]]
    OnThread = Callable[[Callable[[], object]], threading.Thread]

TIMEOUT = 10.0


def test_a_line_for_each_module_and_one_for_the_run(
    new_manager: Callable[..., WarmupManager],
    write_module: Callable[..., str],
    record_stderr: Callable[[], list[str]],
) -> None:
    """Completed, failed and summary lines read as documented, one write each."""
    good, bad = write_module(), write_module("raise ValueError('no good')")
    lines = record_stderr()
    with ThreadPoolExecutor(1, thread_name_prefix="controller-io") as pool:
        manager = new_manager(pool, log_to_stderr=True)
        manager.submit([good, bad])
        assert manager.wait(TIMEOUT)
        first, second = manager.canaries()
        total = first["elapsed_ms"] + second["elapsed_ms"]
        assert lines == [
            (
                f"[warmup 1] {good} on controller-io_0 (id={first['thread_id']}):"
                f" {first['elapsed_ms']:.1f}ms\n"
            ),
            (
                f"[warmup 2] FAILED {bad} on controller-io_0"
                f" (id={second['thread_id']}): ValueError: no good\n"
            ),
            (
                "[warmup done] 2 modules: 1 completed, 1 failed (sum of per-module"
                f" elapsed: {total:.1f}ms)\n"
            ),
        ]


def test_a_missing_module(
    new_manager: Callable[..., WarmupManager],
    record_stderr: Callable[[], list[str]],
) -> None:
    """The line of a module that does not exist gives Python's own message."""
    lines = record_stderr()
    manager = new_manager(log_to_stderr=True)
    manager.submit(["no_such_module_at_all"])
    assert manager.wait(TIMEOUT)
    thread_id = manager.canaries()[0]["thread_id"]
    assert lines[0] == (
        f"[warmup 1] FAILED no_such_module_at_all on ipywarmup-0 (id={thread_id}):"
        " ModuleNotFoundError: No module named 'no_such_module_at_all'\n"
    )


def test_modules_on_the_main_thread_are_marked_and_warned_of(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    write_module: Callable[..., str],
    record_stderr: Callable[[], list[str]],
) -> None:
    """Lines end in [MAIN-THREAD], failed ones too; the warning names the modules."""
    good, bad = write_module(), write_module("raise OSError('no')")
    lines = record_stderr()
    manager = new_manager(inline, log_to_stderr=True)
    manager.submit([good, bad])
    first, second = manager.canaries()
    place = f"on {threading.current_thread().name} (id={threading.get_ident()})"
    total = first["elapsed_ms"] + second["elapsed_ms"]
    assert lines == [
        f"[warmup 1] {good} {place}: {first['elapsed_ms']:.1f}ms [MAIN-THREAD]\n",
        f"[warmup 2] FAILED {bad} {place}: OSError: no [MAIN-THREAD]\n",
        (
            "[warmup done] 2 modules: 1 completed, 1 failed (sum of per-module elapsed:"
            f" {total:.1f}ms)\n"
        ),
        (
            "[warmup WARNING] 2 module(s) loaded on the MAIN THREAD (violates main"
            f" thread purity invariant): {good}, {bad}\n"
        ),
    ]


def test_the_main_thread_is_the_one_that_built_the_manager(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    write_module: Callable[..., str],
    record_stderr: Callable[[], list[str]],
    on_thread: OnThread,
) -> None:
    """Another thread that imports is not marked; Python's main thread may be."""
    here, there = write_module(), write_module()
    lines = record_stderr()
    managers: list[WarmupManager] = []

    def make() -> None:
        managers.append(new_manager(inline, log_to_stderr=True))

    on_thread(make).join(TIMEOUT)
    managers[0].submit([here])
    make()
    on_thread(lambda: managers[1].submit([there])).join(TIMEOUT)
    assert len(lines) == 4
    assert not any("MAIN" in line for line in lines)


def test_a_required_module_is_marked_and_warned_of(
    new_manager: Callable[..., WarmupManager],
    holding: Holding,
    write_module: Callable[..., str],
    record_stderr: Callable[[], list[str]],
    on_thread: OnThread,
) -> None:
    """A queued module that require imports on the main thread is in the warning."""
    pool, jobs = holding
    names = [write_module() for _ in range(2)]
    lines = record_stderr()
    manager = new_manager(pool, log_to_stderr=True)
    manager.submit(names)
    manager.require(names[1])
    on_thread(jobs.popleft()).join(TIMEOUT)
    assert [line.endswith(" [MAIN-THREAD]\n") for line in lines] == [
        True,
        False,
        False,
        False,
    ]
    assert lines[3] == (
        "[warmup WARNING] 1 module(s) loaded on the MAIN THREAD (violates main thread"
        f" purity invariant): {names[1]}\n"
    )


def test_an_empty_run_has_a_summary(
    new_manager: Callable[..., WarmupManager],
    record_stderr: Callable[[], list[str]],
) -> None:
    """With no modules the summary alone is written, once."""
    lines = record_stderr()
    manager = new_manager(log_to_stderr=True)
    manager.submit([])
    assert lines == [
        (
            "[warmup done] 0 modules: 0 completed, 0 failed (sum of per-module elapsed:"
            " 0.0ms)\n"
        ),
    ]


def test_cancelled_and_refused_modules_are_counted(
    new_manager: Callable[..., WarmupManager],
    holding: Holding,
    record_stderr: Callable[[], list[str]],
) -> None:
    """A refused module has a line without a thread; a cancelled one has none."""
    pool, _ = holding
    lines = record_stderr()
    manager = new_manager(pool, log_to_stderr=True)
    manager.submit(["json", "re"])
    pool.futures[0].cancel()  # type: ignore[attr-defined]
    manager.cancel()
    assert lines == [
        f"[warmup 1] FAILED json: {manager.canaries()[0]['error']}\n",
        (
            "[warmup done] 2 modules: 0 completed, 1 failed, 1 cancelled (sum of"
            " per-module elapsed: 0.0ms)\n"
        ),
    ]


def test_an_extended_run_is_summed_up_again(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    record_stderr: Callable[[], list[str]],
) -> None:
    """Each end of the run has a summary, of all its modules."""
    lines = record_stderr()
    manager = new_manager(inline, log_to_stderr=True)
    manager.submit(["json"])
    manager.extend(["re"])
    summaries = [line for line in lines if line.startswith("[warmup done]")]
    assert [line.split(" (")[0] for line in summaries] == [
        "[warmup done] 1 modules: 1 completed, 0 failed",
        "[warmup done] 2 modules: 2 completed, 0 failed",
    ]
    assert len(lines) == 6


def test_an_error_of_many_lines_stays_on_one(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    write_module: Callable[..., str],
    record_stderr: Callable[[], list[str]],
) -> None:
    r"""Line ends in a message are shown as \n, so that a line is a line."""
    name = write_module("raise ValueError('one\\ntwo\\r\\nthree\\x85four')")
    lines = record_stderr()
    manager = new_manager(inline, log_to_stderr=True)
    manager.submit([name])
    assert lines[0].endswith(": ValueError: one\\ntwo\\nthree\\nfour [MAIN-THREAD]\n")
    assert [line.count("\n") for line in lines] == [1, 1, 1]


def test_a_manager_logs_unless_told_otherwise(
    inline: Executor, record_stderr: Callable[[], list[str]]
) -> None:
    """The lines are there by default, and may be turned off by keyword alone."""
    lines = record_stderr()
    WarmupManager(inline).submit(["json"])
    assert len(lines) == 3
    WarmupManager(inline, log_to_stderr=False).submit(["json"])
    assert len(lines) == 3
    with pytest.raises(TypeError):
        WarmupManager(inline, False)  # type: ignore[call-arg]  # noqa: FBT003


def test_without_log_to_stderr_nothing_is_written(
    new_manager: Callable[..., WarmupManager],
    write_module: Callable[..., str],
    record_stderr: Callable[[], list[str]],
) -> None:
    """A silent manager is silent, whatever happens."""
    lines = record_stderr()
    manager = new_manager(log_to_stderr=False)
    manager.submit([write_module(), write_module("raise OSError")])
    assert manager.wait(TIMEOUT)
    manager.reset()
    manager.submit([])
    assert lines == []


def test_lines_of_several_threads_never_mix(
    new_manager: Callable[..., WarmupManager],
    write_module: Callable[..., str],
    record_stderr: Callable[[], list[str]],
) -> None:
    """With eight threads at work each write is still one whole line."""
    names = [write_module() for _ in range(40)]
    lines = record_stderr()
    with ThreadPoolExecutor(8) as pool:
        manager = new_manager(pool, log_to_stderr=True)
        manager.submit(names)
        assert manager.wait(TIMEOUT)
        assert len(lines) == 41
    for line in lines:
        assert line.startswith("[warmup ")
        assert line.count("\n") == 1
        assert line.endswith("\n")
    assert sorted(line.split()[2] for line in lines if "done" not in line) == sorted(
        names
    )


def test_the_lines_are_written_when_wait_returns(
    new_manager: Callable[..., WarmupManager],
    write_gated: Callable[..., tuple[str, threading.Event, threading.Event]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wait does not return between a module's end and its line."""
    name, _, gate = write_gated()
    manager = new_manager(log_to_stderr=True)
    waits: list[bool] = []

    class Asking(io.StringIO):
        """Ask whether the manager has made anybody think that it is done."""

        def write(self, text: str) -> int:
            """Ask first, write then."""
            waits.append(manager.is_done() and not manager.wait(0))
            waits.append(not manager.wait(0, [name]))
            return super().write(text)

    monkeypatch.setattr(sys, "stderr", Asking())
    manager.submit([name])
    gate.set()
    assert manager.wait(TIMEOUT)
    assert waits == [True] * 4


class _Raising(io.StringIO):
    """A stream that takes nothing."""

    def write(self, text: str) -> int:
        """Fail."""
        raise OSError(f"no room for {text!r}")


def _closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [None, _Raising(), _closed(), object()])
@pytest.mark.parametrize("on_main", [True, False])
def test_a_stderr_that_takes_nothing_is_ignored(  # noqa: PLR0913
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    write_module: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    stream: object,
    *,
    on_main: bool,
) -> None:
    """Without a usable stderr modules come in and callbacks are called all the same."""
    good, bad = write_module(), write_module("raise OSError('of its own')")
    monkeypatch.setattr(sys, "stderr", stream)
    manager = new_manager(inline if on_main else None, log_to_stderr=True)
    told: list[object] = []
    done = threading.Event()
    manager.on_complete(told.append)
    manager.on_complete(lambda _: done.set())
    manager.submit([good, bad])
    assert done.wait(TIMEOUT)
    assert told == [{"pending": [], "completed": [good], "failed": [bad]}]
    assert manager.canaries()[1]["error"] == "OSError: of its own"


def test_a_line_written_within_an_import_is_not_taken_for_its_output(
    new_manager: Callable[..., WarmupManager],
    write_module: Callable[..., str],
    record_stderr: Callable[[], list[str]],
) -> None:
    """A module required by another one has its line on stderr like any other."""
    inner = write_module()
    manager = new_manager(log_to_stderr=True)
    outer = write_module(
        "print('before')\nshared.require(shared.inner)\nprint('after')",
        require=manager.require,
        inner=inner,
    )
    lines = record_stderr()
    manager.submit([outer, inner])
    assert manager.wait(TIMEOUT)
    assert [line.split()[1:3] for line in lines] == [
        ["2]", inner],
        ["1]", outer],
        ["done]", "2"],
    ]
    assert manager.canaries()[0]["output"] == "before\nafter\n"
