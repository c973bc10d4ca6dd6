"""Imports that fail on a worker, and what they leave to the next one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, TypeAlias

import pytest

from ipywarmup.importlock import failures

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.importlock.conftest import Report

    RunTrial: TypeAlias = Callable[..., Report]

# The package fails after it has imported submodules of its own, and another package.
REASONS = {
    "an ImportError": "raise ImportError('no licence', name='broken')",
    "an error of its own": "class Own(Exception): pass\nraise Own(1, 2)",
    "a chain of errors": "try:\n    1 / 0\nexcept ArithmeticError:\n    int('x')",
    "a module that is missing": "import broken.nothing",
    "a name that is missing": "from broken.part import nothing",
    "a failure further down": "import broken.failing",
    "a failure of another package": "import helper.failing",
    "an exit": "raise SystemExit(3)",
    "a syntax error": "import broken.wrong",
}


def broken(reason: str) -> dict[str, str]:
    """Return a package that fails for a reason, with all that it leaves behind."""
    gate = "import signals\nsignals.tell('half')\nsignals.hear()\n"
    return {
        "broken/__init__.py": f"import broken.part, helper\n{gate}{reason}",
        "broken/part.py": "import broken\nfrom broken.deep import leaf\nPart = 'part'",
        "broken/deep/__init__.py": "from broken.deep import leaf",
        "broken/deep/leaf.py": "",
        "broken/failing.py": "import helper.part\nraise LookupError('further down')",
        "broken/wrong.py": "def def",
        "helper/__init__.py": "",
        "helper/part.py": "",
        "helper/failing.py": "import helper.part\nraise LookupError('elsewhere')",
    }


STATEMENTS = [
    "import broken",
    "import broken.part",
    "from broken import part",
    "import importlib; importlib.import_module('broken')",
]


@pytest.mark.parametrize("when", ["half", "ended"])
@pytest.mark.parametrize("reason", REASONS.values(), ids=list(REASONS))
def test_an_import_fails_as_in_a_fresh_interpreter(
    run_trial: RunTrial, reason: str, when: str
) -> None:
    """The user's own import raises the same, during the worker's or after it."""
    # Nobody is held up at the gate who comes after the end.
    main = f"""
        import signals
        {"signals.tell()" if when == "ended" else ""}
        signals.hear({when!r})
        import broken
    """
    plain, guarded = (
        run_trial(kind, broken(reason), warm=["broken"], main=main)
        for kind in ("plain", "guarded")
    )
    assert guarded.main == plain.main is not None
    assert guarded.traceback == plain.traceback
    assert guarded.records["broken"]["error"] is not None
    assert guarded.records["broken"]["attempts"] == 1


@pytest.mark.parametrize("statement", STATEMENTS)
def test_every_kind_of_import_fails_so(run_trial: RunTrial, statement: str) -> None:
    """However the user imports what fails meanwhile, it is tried anew."""
    main = f"""
        import signals
        signals.hear("half")
        {statement}
    """
    files = broken("raise LookupError('never')")
    plain, guarded = (
        run_trial(kind, files, warm=["broken"], main=main)
        for kind in ("plain", "guarded")
    )
    assert guarded.main == plain.main == "LookupError: never"
    assert guarded.traceback == plain.traceback


def test_an_import_may_succeed_after_a_failure(run_trial: RunTrial) -> None:
    """Once its reason is gone, a package is whole, its submodules bound to it."""
    report = run_trial(
        "guarded",
        broken("if not hasattr(signals, 'licence'):\n    raise LookupError"),
        warm=["broken"],
        main="""
            import signals
            signals.tell()
            signals.hear("ended")
            signals.licence = True
            import broken, sys
            result = broken.part is sys.modules["broken.part"], broken.deep.__name__
        """,
    )
    assert report.warm == {"broken": "LookupError"}
    assert report.result == "(True, 'broken.deep')"


TRANSIENT = {
    "a half-built module": (
        "raise ImportError(\"cannot import name 'x' from partially initialized"
        " module 'a' (most likely due to a circular import)\")"
    ),
    "its attribute": (
        "raise AttributeError(\"partially initialized module 'a' has no attribute\")"
    ),
    "a deadlock": (
        "import importlib._bootstrap\n    raise importlib._bootstrap._DeadlockError"
    ),
    "a parent": "import sys\n    del sys.modules['flaky']\n    import flaky.part",
}


@pytest.mark.parametrize("failure", TRANSIENT.values(), ids=list(TRANSIENT))
def test_a_transient_failure_is_retried_once(run_trial: RunTrial, failure: str) -> None:
    """An import that failed because of another one is imported after all."""
    files = {
        "flaky/__init__.py": f"import signals\nif not signals.told('tried'):\n"
        f"    signals.tell('tried')\n    {failure}",
        "flaky/part.py": "import sys\nsys.modules.pop('flaky', None)",
    }
    report = run_trial("guarded", files, warm=["flaky"], main="")
    assert report.errors == []
    assert report.records["flaky"]["attempts"] == 2


def test_a_retry_is_alone(run_trial: RunTrial) -> None:
    """It begins when every other import has ended, and keeps all others out."""
    report = run_trial(
        "guarded",
        {
            "flaky.py": """
                import signals
                if not signals.told("busy"):
                    signals.tell("tried")
                    signals.hear("busy")
                    raise ImportError("partially initialized module")
                signals.order.append("retried")
            """,
            "busy.py": """
                import signals
                signals.order = []
                signals.tell("busy")
                signals.hear()
                signals.order.append("other import ended")
            """,
        },
        warm=["flaky"],
        main="""
            import signals
            signals.hear("tried")
            import busy, ipywarmup
            ipywarmup.get_manager().wait()
            result = signals.order
        """,
    )
    assert report.errors == []
    assert report.records["flaky"]["attempts"] == 2
    assert report.result == "['other import ended', 'retried']"


def test_a_retry_that_fails_is_the_last(run_trial: RunTrial) -> None:
    """Two attempts are made, and the second one's failure is recorded."""
    report = run_trial(
        "guarded",
        {
            "flaky.py": """
                import signals
                signals.count = getattr(signals, "count", 0) + 1
                raise ImportError(f"partially initialized module, {signals.count}")
            """,
        },
        warm=["flaky"],
        main="import ipywarmup, signals; ipywarmup.get_manager().wait();"
        " result = signals.count",
    )
    assert report.result == "2"
    assert report.warm == {"flaky": "ImportError: partially initialized module, 2"}
    assert report.records["flaky"]["attempts"] == 2


@pytest.mark.parametrize(
    "source",
    [
        "import signal; handler = signal.signal(signal.SIGTERM, signal.SIG_DFL)",
        "import asyncio; asyncio.get_event_loop()",
        "import signal; signal.set_wakeup_fd(-1)",
    ],
)
def test_a_module_that_wants_the_main_thread(run_trial: RunTrial, source: str) -> None:
    """It fails with a hint, and the user's own import then works."""
    report = run_trial(
        "guarded",
        {
            "particular/__init__.py": f"import particular.part\n{source}",
            "particular/part.py": "answer = 42",
        },
        warm=["particular"],
        main="""
            import asyncio, signals
            signals.hear("ended")
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            import particular
            loop.close()
            result = particular.part.answer
        """,
    )
    assert report.main is None
    assert report.result == "42"
    record = report.records["particular"]
    assert record["status"] == "failed"
    assert "import it in a cell" in record["hint"]
    assert record["attempts"] == 1


# The platform is changed by the first module of the warmup itself.
WINDOWS = {
    "windows.py": "import signals; signals.be_windows()",
    "numpy/__init__.py": "answer = 42",
    "pandas/__init__.py": "import numpy",
}


def test_what_hangs_on_windows_is_refused_there(run_trial: RunTrial) -> None:
    """Numpy and its users fail, with a hint, until a cell has imported numpy."""
    report = run_trial(
        "guarded",
        WINDOWS,
        warm=["windows", "pandas", "numpy", "json.tool"],
        main="""
            import ipywarmup
            manager = ipywarmup.get_manager()
            manager.wait()
            result = [manager.status()["completed"]]
            hints = {record["hint"] for record in manager.canaries()[1:3]}
            import pandas
            manager.retry()
            manager.wait()
            result += [manager.status()["completed"], *hints]
        """,
    )
    assert report.main is None
    assert report.warm["numpy"] is None
    assert "'windows', 'json.tool'" in report.result
    assert "'pandas', 'numpy'" in report.result
    assert "import it in a cell" in report.result


def test_nothing_is_refused_for_its_name_elsewhere() -> None:
    """What hangs on one platform only is imported on all others."""
    assert {entry.platform for entry in failures.MAIN_THREAD_MODULES} == {"win32"}
    packages = [set(entry.packages) for entry in failures.MAIN_THREAD_MODULES]
    refused = [name for name in set().union(*packages) if failures.refusal(name)]
    assert (refused == []) == (sys.platform != "win32")


def test_a_setting_lets_them_through(run_trial: RunTrial) -> None:
    """With `%config WarmupMagics.refuse_unsafe = False` they are imported."""
    report = run_trial(
        "guarded",
        WINDOWS,
        warm=["windows", "pandas"],
        main="""
            import ipywarmup, warnings
            manager = ipywarmup.get_manager()
            manager.wait()
            result = [manager.status()["completed"]]
            warnings.simplefilter("ignore")
            from IPython.core.interactiveshell import InteractiveShell
            shell = InteractiveShell.instance()
            shell.run_line_magic("load_ext", "ipywarmup")
            shell.run_line_magic("config", "WarmupMagics.refuse_unsafe = False")
            manager.retry()
            manager.wait()
            result += [manager.status()["completed"]]
        """,
    )
    assert report.errors == []
    assert report.result == "[['windows'], ['windows', 'pandas']]"
