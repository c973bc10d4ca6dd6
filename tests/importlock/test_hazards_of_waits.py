"""Imports that wait for something else than an import, while another waits for them."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, TypeAlias

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.importlock.conftest import Report
    from tests.importlock.crew import Steered

    RunTrial: TypeAlias = Callable[..., Report]

# Locks on packages bring these hazards along: importlib's own, on modules, do not have
# them. So here the naive design is such locks without the ways out.

JOINING = {
    "joining/__init__.py": """
        import signals, threading
        signals.tell("half")
        signals.hear()
        found = []
        def work():
            from joining.part import Part
            found.append(Part)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    """,
    "joining/part.py": "Part = 'part'",
}


@pytest.mark.parametrize("told", [True, False])
def test_an_import_that_waits_for_a_thread_of_its_own(
    run_trial: RunTrial, *, told: bool
) -> None:
    """The thread passes it at once; did nobody know its parent, both would be stuck."""
    report = run_trial(
        "guarded",
        JOINING,
        warm=["joining"],
        main=f"""
            import signals
            from ipywarmup.importlock.hooks import hooks
            # Without a parent nothing but the end of all patience helps.
            hooks.locks.patience = {3600.0 if told else 0.1}
            if not {told}:
                hooks.locks.parent = lambda: None
            signals.hear("half")
            import joining
            result = joining.found
        """,
    )
    assert report.errors == []
    assert report.result == "['part']"
    assert (report.counts["opened"] == 0) == told


def test_an_import_that_waits_for_a_lock_that_the_waiting_thread_holds(
    run_trial: RunTrial,
) -> None:
    """The waiting thread goes on after a while without progress, and lets it go."""
    report = run_trial(
        "guarded",
        {
            "locking/__init__.py": """
                import signals
                signals.tell("half")
                signals.hear()
                with signals.lock:
                    late = 1
            """,
            "locking/part.py": "answer = 42",
        },
        warm=["locking"],
        main="""
            import signals
            from ipywarmup.importlock.hooks import hooks
            hooks.locks.patience = 0.1
            with signals.lock:
                signals.hear("half")
                from locking.part import answer
            import locking
            result = answer, locking.late
        """,
    )
    assert report.errors == []
    assert report.result == "(42, 1)"
    assert report.counts["opened"] == 1


def test_a_lock_without_a_limit_of_patience(steered: Steered) -> None:
    """Were there none, a thread would wait for ever for a holder that stands still."""
    steered.locks.patience = 1e9
    steered.acquire("holder", "P")
    assert steered.acquire("one", "P") is None
    steered.pass_time(1e8)
    assert steered.crew.sleeps("one")
    steered.locks.patience = 100
    steered.pass_time(0)
    assert steered.crew.results["one"] is False
    steered.release("one", "P")
    steered.release("holder", "P")


def test_an_interrupt_of_a_wait_for_an_import(run_trial: RunTrial) -> None:
    """Ctrl-C ends the wait of the main thread at once; the worker goes on."""
    report = run_trial(
        "guarded",
        {
            "half.py": """
                import signals
                signals.tell("half")
                signals.hear("interrupted")
                answer = 42
            """,
        },
        warm=["half"],
        main="""
            import signal, signals, threading
            from ipywarmup.importlock.hooks import hooks
            condition = hooks.locks._condition
            wait = condition.wait
            def interrupt(timeout=None):
                if not signals.told("interrupted"):
                    main = threading.main_thread().ident
                    threading.Thread(
                        target=signal.pthread_kill, args=(main, signal.SIGINT)
                    ).start()
                return wait(timeout)
            condition.wait = interrupt
            signals.hear("half")
            try:
                import half
            except KeyboardInterrupt:
                result = "interrupted"
            signals.tell("interrupted")
            import half
            result = result, half.answer
        """,
    )
    assert report.errors == []
    assert report.result == "('interrupted', 42)"


FINDER = """
import sys, threading
from ipywarmup import WarmupManager

half, inside = threading.Event(), threading.Event()

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "hacked":
            inside.set()
            import busy
        return None

manager = WarmupManager(log_to_stderr=False)
manager.submit(["busy"])
half.wait()
sys.meta_path.insert(0, Finder)
try:
    import hacked
except ModuleNotFoundError:
    import busy
    print(busy.colorsys.__name__)
print(manager.wait(), manager.status()["completed"])
"""


def test_a_finder_that_imports_holds_up_nobody(tmp_path: Path) -> None:
    """It runs under the import lock, which it lets go while it waits for a module.

    As that of setuptools for distutils does. Without a warmup importlib gets stuck.
    """
    (tmp_path / "busy.py").write_text(
        "import __main__\n"
        "__main__.half.set()\n"
        "__main__.inside.wait()\n"
        "import colorsys\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", FINDER],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH')}"},
        capture_output=True,
        text=True,
        timeout=60.0,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split("\n") == ["colorsys", "True ['busy']", ""]
