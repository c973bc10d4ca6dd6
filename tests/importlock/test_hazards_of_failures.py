"""What a failure on a thread does to the rest of a session, and not in a warmup."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.importlock.conftest import Report

    Compare: TypeAlias = Callable[..., tuple[Report, Report]]

# Once it has failed, nothing is left of it but a submodule that it does not have.
LICENSED = {
    "licensed/__init__.py": """
        import licensed.part, signals
        if not hasattr(signals, "licence"):
            raise LookupError("no licence")
    """,
    "licensed/part.py": "answer = 42",
}
SECOND_IMPORT = """
    import signals
    signals.hear("ended")
    signals.licence = True
    import licensed
    result = licensed.part.answer
"""


def test_a_failure_that_nobody_asks_for(compare: Compare) -> None:
    """It is recorded; a future would have kept it to itself."""
    naive, guarded = compare(LICENSED, warm=["licensed"], main=SECOND_IMPORT)
    assert naive.stderr == ""
    assert naive.records == {}
    record = guarded.records["licensed"]
    assert record["status"] == "failed"
    assert record["error"] == "LookupError: no licence"


def test_a_failure_that_leaves_a_submodule(compare: Compare) -> None:
    """The next import is not made to fail by what is left of the first."""
    naive, guarded = compare(LICENSED, warm=["licensed"], main=SECOND_IMPORT)
    assert naive.main == "AttributeError: module 'licensed' has no attribute 'part'"
    assert guarded.result == "42"


def test_a_module_that_only_the_main_thread_can_import(compare: Compare) -> None:
    """It is recognised, not for the user to exclude, and can be imported in a cell."""
    naive, guarded = compare(
        {
            "particular/__init__.py": """
                import particular.part, signal
                signal.signal(signal.SIGTERM, signal.SIG_DFL)
            """,
            "particular/part.py": "answer = 42",
        },
        warm=["particular"],
        main="""
            import signals
            signals.hear("ended")
            import particular
            result = particular.part.answer
        """,
    )
    assert naive.main == "AttributeError: module 'particular' has no attribute 'part'"
    assert "import it in a cell" in guarded.records["particular"]["hint"]


def test_numpy_on_windows(compare: Compare) -> None:
    """What may hang there on a worker thread is left to the main thread."""
    naive, guarded = compare(
        {
            # The first module of the warmup itself.
            "windows.py": "import signals; signals.be_windows()",
            "numpy/__init__.py": """
                import threading
                if threading.current_thread() is not threading.main_thread():
                    raise OSError("it hangs")
                answer = 42
            """,
        },
        warm=["windows", "numpy"],
        main="""
            import signals
            signals.hear("ended", 2)
            import numpy
            result = numpy.answer
        """,
    )
    assert naive.warm["numpy"] == "OSError: it hangs"
    assert guarded.warm["numpy"] is not None
    assert "not imported on a worker" in guarded.warm["numpy"]
    assert "import it in a cell" in guarded.records["numpy"]["hint"]
