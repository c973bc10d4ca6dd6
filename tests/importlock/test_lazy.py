"""Modules whose body runs when an attribute is looked up, on two threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.importlock.conftest import WAITING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.importlock.conftest import Report

    RunTrial = Callable[..., Report]

LAZILY = """
import importlib.util, sys
def load(name):
    spec = importlib.util.find_spec(name)
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
body = load("body")
"""
FILES = {
    "lazily.py": LAZILY,
    "waiting.py": WAITING,
    "touches.py": "import lazily\nanswer = lazily.body.answer",
}


@pytest.mark.parametrize(
    "look", ["lazily.body.answer", "__import__('body').answer", "lazily.body.early"]
)
def test_a_body_that_another_thread_runs(run_trial: RunTrial, look: str) -> None:
    """Who looks something up in it waits until it has ended, and finds everything."""
    report = run_trial(
        "guarded",
        {
            **FILES,
            "body.py": """
                early = 42
                import signals
                signals.tell("half")
                signals.hear("waiting")
                answer = early
                del early
                early = answer
            """,
        },
        warm=["touches"],
        main=f"""
            import signals
            signals.hear("half")
            import waiting
            waiting.watch()
            if {"early" in look}:
                signals.tell("waiting")
            import lazily
            first = {look}
            import touches
            result = first, touches.answer, type(lazily.body).__name__
        """,
    )
    assert report.errors == []
    assert report.result == "(42, 42, 'module')"


def test_a_body_that_imports_who_looks_at_it(run_trial: RunTrial) -> None:
    """Two threads that wait for each other see what a circular import sees."""
    report = run_trial(
        "guarded",
        {
            **FILES,
            "body.py": """
                early = 42
                import signals
                signals.tell("half")
                signals.hear("other")
                import other
                answer = other.answer
            """,
            "other.py": """
                import signals
                signals.tell("other")
                import lazily
                answer = lazily.body.early
            """,
        },
        warm=["touches"],
        main="""
            import signals
            signals.hear("half")
            import other, touches
            result = other.answer, touches.answer
        """,
    )
    assert report.errors == []
    assert report.result == "(42, 42)"


def test_a_finder_that_looks_at_a_body(run_trial: RunTrial) -> None:
    """It has the import lock, which it lets go while it waits: the body imports."""
    report = run_trial(
        "guarded",
        {
            **FILES,
            "body.py": """
                import signals
                signals.tell("half")
                signals.hear("waiting")
                import other
                answer = 42
            """,
            "other.py": "",
        },
        warm=["touches"],
        main="""
            import signals, sys
            signals.hear("half")
            import lazily, waiting
            waiting.hooks.locks.patience = 3600.0
            waiting.watch()
            answers = []
            class Finder:
                def find_spec(self, name, *_):
                    if name == "sought":
                        answers.append(lazily.body.answer)
            sys.meta_path.insert(0, Finder())
            try:
                import sought
            except ModuleNotFoundError:
                result = answers
        """,
    )
    assert report.errors == []
    assert report.result == "[42]"


def test_a_body_that_raises(run_trial: RunTrial) -> None:
    """Its traceback reads as it does without a warmup."""
    files = {
        **FILES,
        "body.py": "raise ValueError(42)",
        "held.py": "import signals; signals.tell('held'); signals.hear('raised')",
    }
    main = """
        import signals, lazily
        signals.hear("held")
        try:
            lazily.body.answer
        finally:
            signals.tell("raised")
    """
    plain, guarded = (
        run_trial(kind, files, warm=["held"], main=main)
        for kind in ("plain", "guarded")
    )
    assert guarded.main == plain.main == "ValueError: 42"
    assert guarded.traceback == plain.traceback


def test_what_nobody_looks_at_stays_lazy(run_trial: RunTrial) -> None:
    """A warmup that imports beside it runs no body of it, nor does its end."""
    report = run_trial(
        "guarded",
        {**FILES, "body.py": "import signals; signals.tell('run')", "plain.py": ""},
        warm=["lazily", "plain"],
        main="""
            import lazily, plain, signals
            result = signals.told("run"), type(lazily.body).__name__
        """,
    )
    assert report.errors == []
    assert report.result == "(False, '_LazyModule')"
