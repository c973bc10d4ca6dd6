"""extend: adds to a warmup that runs or has ended; retry: submits failed ones again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from concurrent.futures import Executor
    from pathlib import Path

    from ipywarmup.manager import WarmupManager

    Holding = tuple[Executor, deque[Callable[[], None]]]

TIMEOUT = 10.0


@pytest.fixture
def names(write_module: Callable[..., str]) -> list[str]:
    """Return the names of four modules that can be imported."""
    return [write_module() for _ in range(4)]


def test_modules_are_added_to_a_warmup_that_runs(
    new_manager: Callable[..., WarmupManager], holding: Holding, names: list[str]
) -> None:
    """New modules queue up behind those of the running warmup."""
    pool, jobs = holding
    manager = new_manager(pool)
    manager.submit(names[:2])
    jobs.popleft()()
    manager.extend(names[2:])
    assert manager.status() == {
        "pending": names[1:],
        "completed": names[:1],
        "failed": [],
    }
    while jobs:
        jobs.popleft()()
    assert manager.status()["completed"] == names


def test_modules_are_added_to_a_warmup_that_has_ended(
    new_manager: Callable[..., WarmupManager], holding: Holding, names: list[str]
) -> None:
    """Without reset, an ended warmup goes on with what is added, results kept."""
    pool, jobs = holding
    manager = new_manager(pool)
    manager.submit(names[:1])
    jobs.popleft()()
    assert manager.is_done()
    manager.extend(names[1:2])
    assert not manager.is_done()
    assert manager.status() == {
        "pending": names[1:2],
        "completed": names[:1],
        "failed": [],
    }
    jobs.popleft()()
    assert manager.is_done()
    assert [record["canary_id"] for record in manager.canaries()] == [1, 2]


def test_before_any_submit_it_is_a_submit(
    new_manager: Callable[..., WarmupManager], inline: Executor, names: list[str]
) -> None:
    """Extend starts a warmup if there is none; submit then finds one."""
    manager = new_manager(inline)
    told: list[object] = []
    manager.on_complete(told.append)
    manager.extend(names[:1])
    assert manager.is_done()
    assert told == [manager.status()]
    with pytest.raises(RuntimeError):
        manager.submit(names[1:])


def test_after_reset_it_is_a_submit_again(
    new_manager: Callable[..., WarmupManager], inline: Executor, names: list[str]
) -> None:
    """A module of the run that was forgotten is asked for anew."""
    manager = new_manager(inline)
    manager.submit(names[:1])
    manager.reset()
    manager.extend(names[:1])
    assert manager.status()["completed"] == names[:1]
    assert len(manager.canaries()) == 2


def test_modules_asked_for_already_are_passed_over(
    new_manager: Callable[..., WarmupManager], holding: Holding, names: list[str]
) -> None:
    """Pending, completed and failed modules get no second record and no second job."""
    pool, jobs = holding
    manager = new_manager(pool)
    asked = [names[0], "no_such_module_at_all", names[1]]
    manager.submit(asked)
    jobs.popleft()()
    jobs.popleft()()
    before = manager.status()
    manager.extend([*asked, *asked])
    assert manager.status() == before
    assert len(jobs) == 1
    manager.extend([names[0], names[2], names[2]])
    assert manager.status()["pending"] == [names[1], names[2]]
    assert len(manager.canaries()) == 4


@pytest.mark.parametrize("again", [True, False])
def test_an_extension_with_nothing_new_says_nothing(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    names: list[str],
    record_stderr: Callable[[], list[str]],
    *,
    again: bool,
) -> None:
    """A warmup that has ended stays so: no event, no callback, no log line."""
    manager = new_manager(inline, log_to_stderr=True)
    lines = record_stderr()
    manager.submit(names)
    told: list[object] = []
    manager.on_canary(told.append)
    del lines[:]
    manager.extend(names if again else [])
    assert manager.is_done()
    assert told == []
    assert lines == []


def test_on_complete_waits_for_what_was_added(
    new_manager: Callable[..., WarmupManager], holding: Holding, names: list[str]
) -> None:
    """A callback registered after an extension fires when that is done."""
    pool, jobs = holding
    manager = new_manager(pool)
    first: list[dict[str, list[str]]] = []
    second: list[dict[str, list[str]]] = []
    manager.on_complete(first.append)
    manager.submit(names[:1])
    jobs.popleft()()
    manager.extend(names[1:2])
    manager.on_complete(second.append)
    assert second == []
    jobs.popleft()()
    assert [status["completed"] for status in first] == [names[:1]]
    assert [status["completed"] for status in second] == [names[:2]]


def test_a_cancelled_module_may_be_asked_for_again(
    new_manager: Callable[..., WarmupManager], holding: Holding, names: list[str]
) -> None:
    """Extend takes up what cancel dropped, under a new record."""
    pool, jobs = holding
    manager = new_manager(pool)
    manager.submit(names[:1])
    manager.cancel()
    manager.extend(names[:1])
    assert manager.status()["pending"] == names[:1]
    while jobs:
        jobs.popleft()()
    assert manager.status()["completed"] == names[:1]
    assert [record["status"] for record in manager.canaries()] == [
        "cancelled",
        "completed",
    ]


def test_retry_submits_the_failed_ones_again(
    new_manager: Callable[..., WarmupManager],
    holding: Holding,
    write_module: Callable[..., str],
) -> None:
    """Retry gives failed modules a new record each, in the order they failed."""
    failing: list[bool] = [True]
    source = "if shared.failing[0]:\n    raise OSError('not yet')"
    first, second = (write_module(source, failing=failing) for _ in range(2))
    good = write_module()
    pool, jobs = holding
    manager = new_manager(pool)
    manager.submit([first, good, second])
    jobs.reverse()
    while jobs:
        jobs.popleft()()
    assert manager.status() == {
        "pending": [],
        "completed": [good],
        "failed": [second, first],
    }
    failing[0] = False
    assert manager.retry() == [second, first]
    assert manager.status() == {
        "pending": [second, first],
        "completed": [good],
        "failed": [],
    }
    assert not manager.is_done()
    while jobs:
        jobs.popleft()()
    assert manager.status()["completed"] == [good, second, first]
    assert [record["module"] for record in manager.canaries()] == [
        first,
        good,
        second,
        second,
        first,
    ]


def test_retry_without_failures_does_nothing(
    new_manager: Callable[..., WarmupManager], inline: Executor, names: list[str]
) -> None:
    """Retry returns an empty list, before any submit and when all went well."""
    manager = new_manager(inline)
    assert manager.retry() == []
    assert not manager.is_done()
    manager.submit(names)
    assert manager.retry() == []
    assert len(manager.canaries()) == len(names)


@pytest.mark.parametrize("typed", [False, True])
def test_what_nobody_typed_runs_nothing_of_the_working_directory(
    new_manager: Callable[..., WarmupManager],
    write_module: Callable[..., str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    typed: bool,
) -> None:
    """Neither at first nor when it is tried again, unless somebody names it."""
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "merely_lying.py").write_text("raise OSError('it ran')")
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend("")
    name = write_module("import merely_lying")
    manager = new_manager()
    manager.prepare([name], installed_only=True)()
    manager.wait(TIMEOUT)
    if typed:
        manager.prepare([name], again=True)()
    else:
        assert manager.retry() == [name]
    manager.wait(TIMEOUT)
    errors = [canary.error or "" for canary in manager.snapshot()]
    refused = "ModuleNotFoundError: 'merely_lying' is a file of the working directory"
    assert errors[0].startswith(refused)
    assert errors[1] == "OSError: it ran" if typed else errors[1].startswith(refused)
