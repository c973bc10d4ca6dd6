"""Modules that misbehave: each ends as a failed record, and the others go on."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest

from ipywarmup.pool import WarmupPool

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Executor

    from ipywarmup.manager import WarmupManager

TIMEOUT = 10.0

BAD = {
    "sys.exit()": ("import sys\nsys.exit()", "SystemExit"),
    "sys.exit(3)": ("import sys\nsys.exit(3)", "SystemExit: 3"),
    "KeyboardInterrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "KeyboardInterrupt with a message": (
        "raise KeyboardInterrupt('by hand')",
        "KeyboardInterrupt: by hand",
    ),
    "GeneratorExit": ("raise GeneratorExit('odd')", "GeneratorExit: odd"),
    "BaseException": ("raise BaseException('all')", "BaseException: all"),
    "group": (
        "raise ExceptionGroup('two', [OSError(), KeyError()])",
        "ExceptionGroup: two (2 sub-exceptions)",
    ),
    "many lines": ("raise OSError('one\\ntwo')", "OSError: one\ntwo"),
    "no message": ("raise OSError", "OSError"),
    "__str__ raises": (
        "class Bad(Exception):\n    def __str__(self): raise OSError\nraise Bad",
        "Bad: <message cannot be shown>",
    ),
    "__str__ exits": (
        "class Bad(Exception):\n    def __str__(self): raise SystemExit\nraise Bad",
        "Bad: <message cannot be shown>",
    ),
    "__str__ gives no string": (
        "class Bad(Exception):\n    def __str__(self): return 3\nraise Bad",
        "Bad: <message cannot be shown>",
    ),
    "name raises": (
        """
        class Bad(ModuleNotFoundError):
            @property
            def name(self): raise OSError
        raise Bad('odd')
        """,
        "Bad: odd",
    ),
    "too deep": (
        "def down(): down()\ndown()",
        "RecursionError: maximum recursion depth exceeded",
    ),
}


@pytest.mark.parametrize("way", ["worker", "require"])
@pytest.mark.parametrize(("source", "error"), BAD.values(), ids=BAD)
def test_whatever_an_import_raises_is_a_failure(
    new_manager: Callable[..., WarmupManager],
    write_module: Callable[..., str],
    source: str,
    error: str,
    way: str,
) -> None:
    """The record tells the error, the next module is imported, the worker lives."""
    bad, good = write_module(source), write_module()
    manager = new_manager()
    if way == "worker":
        manager.submit([bad, good])
    else:
        hand_over = manager.prepare([bad, good])
        with pytest.raises(BaseException) as raised:  # noqa: PT011 - all sorts
            manager.require(bad)
        assert type(raised.value).__name__ == error.partition(":")[0]
        hand_over()
    assert manager.wait(TIMEOUT)
    assert manager.status() == {"pending": [], "completed": [good], "failed": [bad]}
    record = manager.canaries()[0]
    assert record["status"] == "failed"
    assert record["error"].startswith(error)
    if not error.startswith("RecursionError"):
        assert record["error"] == error
    assert bad not in sys.modules


def test_a_syntax_error_is_a_failure(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    write_module: Callable[..., str],
) -> None:
    """A module that cannot be compiled fails with what the compiler says."""
    name = write_module("def f(:\n")
    manager = new_manager(inline)
    manager.submit([name])
    (record,) = manager.canaries()
    assert record["error"].startswith("SyntaxError: ")
    assert f"{name}.py, line 1" in record["error"]
    assert "    def f(:\n          ^\n" in record["traceback"]
    assert manager.status()["failed"] == [name]


def test_a_traceback_is_what_python_prints(
    new_manager: Callable[..., WarmupManager],
    write_module: Callable[..., str],
) -> None:
    """It begins in the module's own code, and has what the error came of."""
    name = write_module(
        """
        def read():
            raise OSError("no file")
        try:
            read()
        except OSError:
            raise ValueError("no good")
        """
    )
    manager = new_manager()
    manager.submit([name])
    assert manager.wait(TIMEOUT)
    (record,) = manager.canaries()
    lines = record["traceback"].splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].endswith(f'{name}.py", line 5, in <module>')
    assert "OSError: no file" in lines
    assert lines[-1] == "ValueError: no good"


def test_an_error_that_says_it_all_has_no_traceback(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
) -> None:
    """A module that is not there has run no code that could be shown."""
    manager = new_manager(inline)
    manager.submit(["no_such_module_at_all"])
    (record,) = manager.canaries()
    assert record["status"] == "failed"
    assert record["traceback"] is None


def test_an_endless_traceback_is_cut_at_its_beginning(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    write_module: Callable[..., str],
) -> None:
    """What was raised in the end stands in the record."""
    manager = new_manager(inline)
    manager.submit([write_module("raise ValueError('long ' * 10_000 + 'end')")])
    (record,) = manager.canaries()
    assert len(record["traceback"]) == 20_000
    assert record["traceback"].endswith("end\n")


def test_a_failure_within_is_told_as_it_is(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    write_module: Callable[..., str],
) -> None:
    """A module whose own import fails has the error of the module that it imports."""
    inner = write_module("raise LookupError('deep down')")
    outer = write_module(f"import {inner}")
    manager = new_manager(inline)
    manager.submit([outer])
    assert [record["error"] for record in manager.canaries()] == [
        "LookupError: deep down"
    ]


def test_junk_on_the_path_does_not_hide_the_error(
    new_manager: Callable[..., WarmupManager],
    inline: Executor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Entries of sys.path that `import` ignores do not change how an import fails."""
    monkeypatch.setattr(sys, "path", [*sys.path, None, 3, ["unhashable"]])
    manager = new_manager(inline)
    manager.submit(["no_such_module_at_all", "jsn"])
    assert [record["error"] for record in manager.canaries()] == [
        "ModuleNotFoundError: No module named 'no_such_module_at_all'",
        "ModuleNotFoundError: No module named 'jsn'",
    ]


def test_a_module_that_prints_megabytes_is_imported(
    new_manager: Callable[..., WarmupManager], write_module: Callable[..., str]
) -> None:
    """Output beyond the limit is dropped, and how much of it is told."""
    name = write_module("for _ in range(64):\n    print('x' * 65_535)")
    manager = new_manager()
    manager.submit([name])
    assert manager.wait(TIMEOUT)
    (record,) = manager.canaries()
    assert record["status"] == "completed"
    kept, told = record["output"].split("\n[")
    assert len(kept) == 65_536
    assert told == f"{63 * 65_536} more characters were not kept]"


def test_a_module_that_blocks_for_ever_does_not_block_the_others(
    new_manager: Callable[..., WarmupManager],
    write_gated: Callable[..., tuple[str, threading.Event, threading.Event]],
    write_module: Callable[..., str],
) -> None:
    """Out of patience with one import, the pool goes on with the next ones."""
    blocked = [write_gated() for _ in range(3)]
    others = [write_module() for _ in range(5)]
    names = [name for name, _, _ in blocked]
    manager = new_manager(WarmupPool(1, patience=0))
    manager.submit([names[0], *others[:2], *names[1:], *others[2:]])
    assert manager.wait(TIMEOUT, others)
    for _, entered, _ in blocked:
        assert entered.wait(TIMEOUT)
    assert manager.status()["pending"] == names
    assert sorted(manager.status()["completed"]) == sorted(others)
    assert not manager.is_done()


def test_an_import_of_a_module_blocked_elsewhere_waits_for_it(
    new_manager: Callable[..., WarmupManager],
    write_gated: Callable[..., tuple[str, threading.Event, threading.Event]],
    write_module: Callable[..., str],
    gates: list[threading.Event],
) -> None:
    """A module that imports a blocked one completes when that does, not before."""
    blocked, entered, gate = write_gated("WHOLE = True")
    reached = threading.Event()
    gates.append(reached)
    needs = write_module(
        f"shared.reached.set()\nimport {blocked}\nassert {blocked}.WHOLE",
        reached=reached,
    )
    manager = new_manager(WarmupPool(2))
    manager.submit([blocked, needs])
    assert entered.wait(TIMEOUT)
    assert reached.wait(TIMEOUT)
    assert manager.status()["completed"] == []
    gate.set()
    assert manager.wait(TIMEOUT)
    assert sorted(manager.status()["completed"]) == sorted([blocked, needs])
