"""Modules whose imports go on in threads, in finalisers, in warmups, or for ever."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.importlock.conftest import Report

    Agree: TypeAlias = Callable[..., Report]


JOINING = """
    import signals, threading
    signals.tell("half")
    signals.hear()
    found = []
    def work():
        {work}
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
"""


# `import joining` there would wait for ever, with a warmup or without one.
@pytest.mark.parametrize(
    "work",
    [
        "from joining.part import Part; found.append(Part)",
        "import sys; found.append(hasattr(sys.modules[__name__], 'later'))",
        "import json.tool; from joining.part import Part; found.append(Part)",
    ],
)
def test_a_thread_that_imports_the_package_that_joins_it(
    agree: Agree, work: str
) -> None:
    """A thread born in an import passes it, and nobody else does."""
    guarded = agree(
        {
            "joining/__init__.py": JOINING.format(work=work),
            "joining/part.py": "Part = 'part'",
        },
        warm=["joining"],
        main="""
            import signals
            signals.hear("half")
            import joining
            result = joining.found
        """,
    )
    assert guarded.errors == []
    assert guarded.counts["waits"] >= 1


def test_a_thread_without_an_object_that_imports_the_package(agree: Agree) -> None:
    """A thread that `_thread` starts is born in the import, too."""
    guarded = agree(
        {
            "joining/__init__.py": """
                import signals, _thread
                signals.tell("half")
                signals.hear()
                found = []
                def work():
                    from joining.part import Part
                    found.append(Part)
                    over.release()
                over = _thread.allocate_lock()
                over.acquire()
                _thread.start_new_thread(work, ())
                over.acquire()
            """,
            "joining/part.py": "Part = 'part'",
        },
        warm=["joining"],
        main="""
            import signals
            signals.hear("half")
            import joining
            result = joining.found
        """,
    )
    assert guarded.errors == []


def test_a_program_within_an_import_that_began_before(agree: Agree) -> None:
    """A thread born in it passes it, and a warmup of one of its parts ends."""
    guarded = agree(
        {
            "app/__init__.py": """
                import signals, threading
                if signals.kind != "plain":
                    import ipywarmup
                    ipywarmup.get_manager().extend(["app.models"])
                found = []
                def work():
                    from app.part import Part
                    found.append(Part)
                thread = threading.Thread(target=work)
                thread.start()
                thread.join()
            """,
            "app/part.py": "Part = 'part'",
            "app/models.py": "Model = 'model'",
            "slow.py": "import signals\nsignals.hear('over')",
        },
        warm=["slow"],
        main="""
            import app, signals
            signals.tell("over")
            result = app.found
        """,
    )
    assert guarded.errors == []
    assert guarded.records["app.models"]["status"] == "completed"


def test_a_thread_of_a_thread_that_imports_the_package(agree: Agree) -> None:
    """What a thread born in an import starts in turn passes it, too."""
    guarded = agree(
        {
            "joining/__init__.py": """
                from concurrent.futures import ThreadPoolExecutor
                import importlib
                def nested():
                    with ThreadPoolExecutor(2) as pool:
                        return list(pool.map(importlib.import_module, names))
                names = ["joining.one", "joining.two", "json.tool", "joining.one"]
                with ThreadPoolExecutor(1) as pool:
                    found = [module.__name__ for module in pool.submit(nested).result()]
            """,
            "joining/one.py": "Part = 'part'",
            "joining/two.py": "from joining.one import Part",
        },
        warm=["joining"],
        main="import joining; result = joining.found",
    )
    assert guarded.errors == []


def test_imports_in_a_finaliser(agree: Agree) -> None:
    """An object that dies in the middle of an import may import the same package."""
    guarded = agree(
        {
            "dying/__init__.py": """
                import gc, signals
                found = []
                class Dying:
                    def __del__(self):
                        from dying.part import Part
                        import json.tool
                        found.append(Part)
                signals.tell("half")
                dying = Dying()
                dying.circle = dying
                del dying
                gc.collect()
                signals.hear()
            """,
            "dying/part.py": "Part = 'part'",
        },
        warm=["dying"],
        main="""
            import signals
            signals.hear("half")
            import dying
            result = dying.found
        """,
    )
    assert guarded.errors == []


def test_imports_in_an_exit_handler(agree: Agree) -> None:
    """A handler that a module registers finds the package complete."""
    guarded = agree(
        {
            "leaving/__init__.py": """
                import atexit
                def leave():
                    from leaving.part import Part
                    import json.tool, sys
                    print(Part, file=sys.stderr)
                atexit.register(leave)
            """,
            "leaving/part.py": "Part = 'part'",
        },
        warm=["leaving"],
        main="import leaving; result = leaving.__name__",
    )
    assert guarded.stderr == "part\n"


def test_a_module_that_nobody_completes(run_trial: Callable[..., Report]) -> None:
    """A second warmup of a module that is stuck in another thread's import fails."""
    report = run_trial(
        "guarded",
        {
            "endless.py": """
                import signals
                signals.tell("half")
                signals.hear("the end")
            """,
        },
        warm=["endless"],
        main="""
            import ipywarmup, signals
            from ipywarmup.importlock.hooks import hooks
            hooks.locks.patience = 0.05
            signals.hear("half")
            second = ipywarmup.WarmupManager(log_to_stderr=False)
            second.submit(["endless"])
            second.wait()
            result = second.canaries()[0]["error"]
        """,
    )
    assert report.errors == []
    assert "'endless' is being imported by another thread" in report.result


def test_a_module_that_imports_for_ever(run_trial: Callable[..., Report]) -> None:
    """What it holds up goes on once it has stood still for a while, and it alone."""
    guarded = run_trial(
        "guarded",
        {
            "endless/__init__.py": """
                import signals
                signals.tell("half")
                signals.hear("the end")
            """,
            "endless/part.py": "answer = 42",
            "other.py": "answer = 43",
        },
        warm=["endless"],
        main="""
            import ipywarmup.importlock.hooks, signals
            ipywarmup.importlock.hooks.hooks.locks.patience = 0.1
            signals.hear("half")
            import other
            from endless.part import answer
            result = other.answer, answer
        """,
    )
    assert guarded.errors == []
    assert guarded.result == "(43, 42)"
    assert guarded.counts["opened"] == 1


def test_a_module_that_submits_a_warmup(agree: Agree) -> None:
    """What it adds while it is imported has its record, of its own package, too."""
    guarded = agree(
        {
            "submitting/__init__.py": """
                import ipywarmup, signals
                signals.tell("half")
                ipywarmup.get_manager().extend(["submitting.part", "extra"])
                signals.hear()
                part = ipywarmup.require("submitting.part")
            """,
            "submitting/part.py": "from submitting import ipywarmup\nanswer = 42",
            "extra.py": "import submitting",
        },
        warm=["submitting"],
        main="""
            import signals
            signals.hear("half")
            import submitting
            result = submitting.part.answer
        """,
    )
    assert guarded.errors == []
    assert list(guarded.records) == ["submitting", "submitting.part", "extra"]


def test_a_module_that_waits_for_the_warmup_it_submits(agree: Agree) -> None:
    """A wait with a limit ends, and what was waited for is imported afterwards."""
    guarded = agree(
        {
            "waiting.py": """
                import ipywarmup
                manager = ipywarmup.WarmupManager(log_to_stderr=False)
                manager.submit(["colorsys", "extra"])
                assert manager.wait(30)
                status = manager.status()
            """,
            "extra.py": "import json.tool",
        },
        warm=["waiting"],
        main="""
            import waiting
            result = waiting.status
        """,
    )
    assert guarded.errors == []
