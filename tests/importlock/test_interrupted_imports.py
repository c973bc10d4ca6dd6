"""Ctrl-C in imports of the user's own, beside a warmup."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.importlock.conftest import Report

    RunTrial = Callable[..., Report]

HELD = """
import signals
signals.tell("held")
signals.hear("raised")
"""


def test_a_worker_does_not_import_what_was_interrupted(run_trial: RunTrial) -> None:
    """Some packages do not bear that; who imports it in a cell decides to try."""
    report = run_trial(
        "guarded",
        {
            "held.py": HELD,
            "twice.py": """
                import signals
                if signals.told("begun"):
                    signals.tell("again")
                else:
                    signals.tell("begun")
                    raise KeyboardInterrupt
            """,
            "uses.py": "import twice",
            "other.py": "import signals; signals.tell('other')",
        },
        warm=["held", "twice", "uses", "other"],
        main="""
            import signals
            signals.hear("held")
            try:
                import twice
            except KeyboardInterrupt:
                signals.tell("raised")
            signals.hear("other")
            result = signals.told("again"),
            import twice
            result += signals.told("again"),
        """,
    )
    assert report.main is None
    assert report.result == "(False, True)"
    assert [name for name, error in report.warm.items() if error] == ["twice", "uses"]
    for name in ("twice", "uses"):
        error = str(report.records[name]["error"])
        assert error.startswith("ImportError: not imported in the background: an ")


def test_a_package_that_is_complete_is_no_matter(run_trial: RunTrial) -> None:
    """A worker imports another part of it, whatever part was interrupted."""
    report = run_trial(
        "guarded",
        {
            "held.py": HELD,
            "whole/__init__.py": "",
            "whole/interrupted.py": "raise KeyboardInterrupt",
            "whole/part.py": "",
        },
        warm=["held", "whole.part"],
        main="""
            import signals, whole
            signals.hear("held")
            try:
                import whole.interrupted
            except KeyboardInterrupt:
                signals.tell("raised")
            import whole.part
        """,
    )
    assert report.errors == []


def test_the_import_lock_is_free_after_an_interrupt(run_trial: RunTrial) -> None:
    """Also if that comes where importlib has just acquired it: others can import."""
    report = run_trial(
        "guarded",
        {"held.py": HELD + "import other", "other.py": "", "mine.py": ""},
        warm=["held"],
        main="""
            import _imp, importlib, signals, sys, threading
            signals.hear("held")
            class Interrupting:
                def __getattr__(self, name):
                    return getattr(_imp, name)
                def acquire_lock(self):
                    _imp.acquire_lock()
                    caller = sys._getframe(1).f_code.co_name
                    if threading.current_thread() is main and caller in callers:
                        callers.remove(caller)
                        raise KeyboardInterrupt
            main = threading.current_thread()
            callers = ["_get_module_lock", "__enter__"]
            importlib._bootstrap._imp = Interrupting()
            interrupts = 0
            while callers:
                try:
                    import mine
                except KeyboardInterrupt:
                    interrupts += 1
            importlib._bootstrap._imp = _imp
            result = interrupts, _imp.lock_held()
            signals.tell("raised")
            import held
        """,
    )
    assert report.errors == []
    assert report.result == "(2, False)"
