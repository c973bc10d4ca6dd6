"""Modules that replace or delete themselves, or what imports them."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.importlock.conftest import Report

    Agree: TypeAlias = Callable[..., Report]


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


def test_a_finder_that_is_taken_out_meanwhile(
    run_trial: Callable[..., Report],
) -> None:
    """A look-up that passes over another one for it looks once more."""
    report = run_trial(
        "guarded",
        {"there.py": "answer = 42"},
        warm=[],
        main="""
            import sys
            from ipywarmup.importlock.hooks import hooks
            class Finder:
                def find_spec(self, name, *_):
                    if name == "there":
                        sys.meta_path.remove(self)
            # Before the one that finds it.
            sys.meta_path.insert(len(sys.meta_path) - 1, Finder())
            with hooks.borrowed():
                import there
            result = there.answer
        """,
    )
    assert report.errors == []
    assert report.result == "42"
