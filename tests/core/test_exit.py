"""The end of the process: it waits for no import, and nothing new starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    RunPython = Callable[..., subprocess.CompletedProcess[str]]

# The modules import this one to find the script's events, and to leave their mark.
SIGNALS = """
import pathlib, threading
entered, gate = threading.Event(), threading.Event()
def mark(name):
    (pathlib.Path(__file__).parent / f"{name}.imported").touch()
"""
MODULES = {
    "blocked": "import signals\nsignals.entered.set()\nsignals.gate.wait()",
    "busy": "import signals\nsignals.entered.set()\nwhile True: pass",
    "marked": "import signals\nsignals.mark('marked')",
    "late": "import signals\nsignals.mark('late')",
}
PREAMBLE = """
import atexit, sys, threading
sys.path.insert(0, sys.argv[1])
import signals
from ipywarmup import WarmupManager
manager = WarmupManager(log_to_stderr=len(sys.argv) > 2)
"""
# One import under way, which only its gate ends, and one that is queued.
BUSY_MANAGER = """
manager.submit(["blocked", "marked"])
assert signals.entered.wait(10)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of the modules, which is the script's first argument."""
    folder = tmp_path / "modules"
    folder.mkdir()
    for name, source in {**MODULES, "signals": SIGNALS}.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
    return folder


def marks(folder: Path) -> list[str]:
    """Return the modules that were imported to their end."""
    return sorted(path.stem for path in folder.glob("*.imported"))


@pytest.mark.parametrize("last", ["", "sys.exit()", "manager.reset()"])
@pytest.mark.parametrize("running", ["blocked", "busy"])
def test_a_process_ends_in_the_middle_of_an_import(
    run_python: RunPython, folder: Path, running: str, last: str
) -> None:
    """It waits neither for an import that never ends nor for ten thousand others."""
    result = run_python(
        f"""{PREAMBLE}
manager.submit([{running!r}, "marked", *(f"missing_{{n}}" for n in range(10_000))])
assert signals.entered.wait(10)
print("end of script")
{last}
""",
        str(folder),
        "log",
    )
    assert (result.returncode, result.stdout, result.stderr) == (
        0,
        "end of script\n",
        "",
    )
    assert marks(folder) == []


def test_several_workers_do_not_hold_up_the_end(
    run_python: RunPython, folder: Path
) -> None:
    """Threads in the middle of imports, idle ones and spare ones all let it go."""
    result = run_python(
        f"""{PREAMBLE}
from ipywarmup import WarmupPool
pool = WarmupPool(4)
manager = WarmupManager(pool, log_to_stderr=False)
manager.submit(["json.tool", "blocked", "busy"])
assert manager.wait(10, ["json.tool"])
assert signals.entered.wait(10)
manager.extend(["marked"])
assert manager.wait(10, ["marked"])
""",
        str(folder),
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert marks(folder) == ["marked"]


def test_nothing_new_starts_at_exit(run_python: RunPython, folder: Path) -> None:
    """A worker whose import ends during exit takes no further job."""
    result = run_python(
        f"""{PREAMBLE}
idle = threading.Event()
def at_exit():
    condition = manager.pool._condition
    wait = condition.wait
    def watched(timeout=None):
        if threading.current_thread().name == "ipywarmup-0":
            idle.set()
        return wait(timeout)
    condition.wait = watched
    signals.gate.set()
    assert idle.wait(10)
    print(manager.status())
atexit.register(at_exit)
{BUSY_MANAGER}
""",
        str(folder),
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == (
        "{'pending': ['marked'], 'completed': ['blocked'], 'failed': []}\n"
    )
    assert marks(folder) == []


def test_a_submit_at_exit_is_refused(run_python: RunPython, folder: Path) -> None:
    """Modules added after the pool has stopped fail with the reason; nothing hangs."""
    result = run_python(
        f"""{PREAMBLE}
def at_exit():
    manager.extend(["late"])
    assert manager.wait(10, ["late"])
    print(manager.canaries()[-1]["error"])
atexit.register(at_exit)
{BUSY_MANAGER}
""",
        str(folder),
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == (
        "RuntimeError: cannot schedule new futures after shutdown\n"
    )
    assert marks(folder) == []


def test_a_first_submit_at_exit_does_not_hang(
    run_python: RunPython, folder: Path
) -> None:
    """A manager first used by an exit handler imports, or says why it cannot."""
    result = run_python(
        f"""{PREAMBLE}
def at_exit():
    manager.submit(["late"])
    assert manager.wait(10)
    status = manager.status()
    assert status["completed"] == ["late"] or "thread" in manager.canaries()[0]["error"]
    manager.extend(["blocked", "marked"])
atexit.register(at_exit)
""",
        str(folder),
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert "marked" not in marks(folder)


def test_a_handler_that_comes_before_the_pools_may_still_warm(
    run_python: RunPython, folder: Path
) -> None:
    """Handlers run last in, first out: one registered after the first job may wait."""
    result = run_python(
        f"""{PREAMBLE}
{BUSY_MANAGER}
def at_exit():
    signals.gate.set()
    manager.extend(["late"])
    assert manager.wait(10)
    print(manager.status()["completed"])
atexit.register(at_exit)
""",
        str(folder),
    )
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "['blocked', 'marked', 'late']\n"


def test_require_at_exit_imports_here_and_now(
    run_python: RunPython, folder: Path
) -> None:
    """What is still queued when the pool has stopped can be had all the same."""
    result = run_python(
        f"""{PREAMBLE}
def at_exit():
    print(manager.require("marked").__name__)
atexit.register(at_exit)
{BUSY_MANAGER}
""",
        str(folder),
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "marked\n", "")
