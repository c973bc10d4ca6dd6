"""Modules that do what modules should not: a warmup gives what an import gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.importlock.conftest import Report

    Agree: TypeAlias = Callable[..., Report]


@pytest.fixture
def agree(run_trial: Callable[..., Report]) -> Agree:
    """
    Return a function that runs a program without and with a warmup.

    It checks that the two come to the same, that each module has its record, and that
    no circle, no lack of progress and no retry was needed.
    """

    def run(
        files: dict[str, str], *, warm: list[str], main: str, opened: int = 0
    ) -> Report:
        plain, guarded = (
            run_trial(kind, files, warm=warm, main=main)
            for kind in ("plain", "guarded")
        )
        assert guarded.main == plain.main
        assert guarded.traceback == plain.traceback
        assert guarded.result == plain.result
        assert guarded.stderr == plain.stderr
        assert set(guarded.records) >= set(warm)
        assert {record["status"] for record in guarded.records.values()} <= {
            "completed",
            "failed",
        }
        assert guarded.counts["opened"] == opened
        return guarded

    return run


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


@pytest.mark.parametrize(
    "replacement",
    [
        "types.SimpleNamespace(answer=42, __name__=__name__)",
        "type('Own', (types.ModuleType,), {'answer': 42})(__name__)",
    ],
)
def test_a_module_that_replaces_itself(agree: Agree, replacement: str) -> None:
    """Whatever it has put into `sys.modules` is what both threads get."""
    agree(
        {
            "replaced.py": f"""
                import signals, sys, types
                signals.tell("half")
                signals.hear()
                sys.modules[__name__] = {replacement}
            """,
        },
        warm=["replaced"],
        main="""
            import signals
            signals.hear("half")
            import replaced
            replaced.question = "?"
            from replaced import question
            result = replaced.answer, question
        """,
    )


def test_a_module_that_replaces_itself_under_a_peek(agree: Agree) -> None:
    """Who asks the module that stood there first gets the answer of the second."""
    agree(
        {
            "replaced.py": """
                import signals, sys, types
                signals.tell("half")
                signals.hear()
                sys.modules[__name__] = types.SimpleNamespace(answer=42)
            """,
        },
        warm=["replaced"],
        main="""
            import signals, sys
            if signals.kind == "plain":
                import replaced
            signals.hear("half")
            result = sys.modules["replaced"].answer
        """,
    )


def test_a_module_that_deletes_itself(agree: Agree) -> None:
    """Its import fails with the KeyError it always failed with."""
    guarded = agree(
        {
            "deleted.py": """
                import signals, sys
                signals.tell("half")
                signals.hear()
                del sys.modules[__name__]
            """,
        },
        warm=["deleted"],
        main="""
            import signals
            signals.hear("half")
            result = "nothing"
            import deleted
        """,
    )
    assert guarded.errors == ["KeyError: 'deleted'"] * 2


def test_a_module_of_a_class_of_its_own(agree: Agree) -> None:
    """Its class and its `__getattr__` stay what the module has made them."""
    agree(
        {
            "classy/__init__.py": """
                import signals, sys, types
                class Classy(types.ModuleType):
                    def __getattr__(self, name):
                        return "classy " + name
                sys.modules[__name__].__class__ = Classy
                from classy import part
                signals.tell("half")
                signals.hear()
            """,
            "classy/part.py": """
                def __getattr__(name):
                    return "part " + name
            """,
        },
        warm=["classy"],
        main="""
            import signals
            signals.hear("half")
            import classy
            result = classy.a, classy.part.b, type(classy).__name__
        """,
    )


def test_a_module_that_changes_import(agree: Agree) -> None:
    """An `__import__` and a finder of a module's own stay, and are used."""
    guarded = agree(
        {
            "changing.py": """
                import builtins, importlib.machinery, signals, sys
                seen = []
                original = builtins.__import__
                def traced(name, *args, **kwargs):
                    if name.startswith("changed"):
                        seen.append(name)
                    return original(name, *args, **kwargs)
                class Finder:
                    @staticmethod
                    def find_spec(name, path=None, target=None):
                        if name == "changed_found":
                            loader = Finder
                            return importlib.machinery.ModuleSpec(name, loader)
                    @staticmethod
                    def create_module(spec):
                        return None
                    @staticmethod
                    def exec_module(module):
                        module.answer = 42
                        if signals.kind != "plain":
                            signals.tell("half")
                        signals.hear()
                builtins.__import__ = traced
                sys.meta_path.insert(0, Finder)
                import changed_found
            """,
        },
        warm=["changing"],
        main="""
            import signals
            signals.hear("half")
            import changing
            import changed_found
            import builtins, sys
            result = (
                changing.seen, changed_found.answer,
                builtins.__import__ is changing.traced,
                sys.meta_path[0] is changing.Finder,
            )
        """,
    )
    assert guarded.errors == []


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


def test_a_namespace_package(agree: Agree) -> None:
    """A portion that comes into the path meanwhile is found as it always was."""
    guarded = agree(
        {
            "space/one.py": """
                import signals
                signals.tell("half")
                signals.hear()
                answer = 42
            """,
            "second/space/two.py": "from space.one import answer",
        },
        warm=["space.one", "space"],
        main="""
            import os, signals, sys
            signals.hear("half")
            sys.path.append(os.path.join(sys.path[0], "second"))
            from space import two
            import space
            result = two.answer, len(list(space.__path__))
        """,
    )
    assert guarded.errors == []


def test_a_package_that_shadows_a_standard_name(agree: Agree) -> None:
    """A file called like a module of the standard library is as good as any."""
    guarded = agree(
        {
            "colorsys.py": """
                import signals
                signals.tell("half")
                signals.hear()
                from user import value
            """,
            "user.py": "value = 'mine'\nimport colorsys",
        },
        warm=["colorsys"],
        main="""
            import signals
            signals.hear("half")
            import user, colorsys
            result = colorsys.value
        """,
    )
    assert guarded.errors == []


def test_an_extension_module_that_cannot_be_loaded_twice(agree: Agree) -> None:
    """Numpy is loaded once, though its first import is entered from two threads."""
    guarded = agree(
        {
            "early.py": """
                import signals
                signals.tell("half")
                import numpy
            """,
        },
        warm=["early", "numpy.linalg", "numpy.ma"],
        main="""
            import signals
            signals.hear("half")
            import numpy.linalg, numpy.random
            result = float(numpy.linalg.norm(numpy.arange(3)))
        """,
    )
    assert guarded.errors == []


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
