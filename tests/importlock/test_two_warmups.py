"""Several warmups in one process, as of two kernels that share it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.importlock.conftest import Report

    RunTrial = Callable[..., Report]


def test_two_warmups_at_once(run_trial: RunTrial) -> None:
    """Each has a thread of its own, and both import heavy packages without harm."""
    report = run_trial(
        "guarded",
        {},
        warm=[],
        main="""
            import gc, sys, ipywarmup, signals
            names = ["pandas", "sklearn.ensemble", "matplotlib.pyplot"]
            before = gc.get_threshold(), sys.getswitchinterval()
            managers = [ipywarmup.WarmupManager(log_to_stderr=False) for _ in range(2)]
            managers[0].submit(names)
            managers[1].submit(reversed(names))
            import sklearn.linear_model, pandas
            assert all(manager.wait() for manager in managers)
            failed = [manager.status()["failed"] for manager in managers]
            done = [sorted(manager.status()["completed"]) for manager in managers]
            for manager in managers:
                manager.reset()
            same = before == (gc.get_threshold(), sys.getswitchinterval())
            result = failed, done == [sorted(names)] * 2, same
        """,
    )
    assert report.errors == []
    assert report.result == "([[], []], True, True)"
