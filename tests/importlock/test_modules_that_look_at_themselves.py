"""Modules that ask what they are, or change what others rely on."""

from __future__ import annotations

import pickle
import types
import warnings
from typing import TYPE_CHECKING, TypeAlias

import pytest

from ipywarmup.importlock import partial
from ipywarmup.importlock.hooks import hooks

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.importlock.conftest import Report

    Agree: TypeAlias = Callable[..., Report]


def test_a_class_made_from_the_type_of_the_module(agree: Agree) -> None:
    """It is a subclass of the type of modules, now and later."""
    agree(
        {
            "own.py": """
                import signals, sys
                signals.tell("half")
                class Own(type(sys.modules[__name__])):
                    def hello(self):
                        return super().__repr__()[:7], __class__.__name__
                sys.modules[__name__].__class__ = Own
                signals.hear()
            """,
        },
        warm=["own"],
        main="""
            import signals
            signals.hear("half")
            import own
            result = (
                own.hello(), hasattr(own, "nothing"), own.Own.__mro__, type(own.Own)
            )
        """,
    )


def test_a_module_that_hands_on_to_the_getattr_before_its_own(agree: Agree) -> None:
    """What it finds there raises, and does not ask the new one again."""
    guarded = agree(
        {
            "chained.py": """
                import sys
                module = sys.modules[__name__]
                found = hasattr(type(module), "__getattr__")
                previous = getattr(module, "__getattr__", None)
                def __getattr__(name):
                    if name == "old":
                        return 42
                    if previous is not None:
                        return previous(name)
                    raise AttributeError(f"no {name}")
                missing = hasattr(module, "missing")
            """,
        },
        warm=["chained"],
        main="""
            import chained
            result = (
                chained.old, chained.found, chained.missing, hasattr(chained, "nothing")
            )
        """,
    )
    assert guarded.errors == []


FOR_GOOD = {
    "captureWarnings": "import logging; logging.captureWarnings(True)",
    "showwarning": "warnings.showwarning = lambda *_: None",
    "resetwarnings": "warnings.resetwarnings()",
    "moved to the front": "warnings.simplefilter('ignore', ResourceWarning)",
    "removed": "del warnings.filters[-1]",
    "added": "warnings.filterwarnings('ignore', message='of pk')",
    "added in a block": """with warnings.catch_warnings():
                    warnings.filterwarnings('ignore', message='of pk')""",
    "deleted": "del warnings.showwarning; warnings.showwarning = print",
}


@pytest.mark.parametrize("change", FOR_GOOD.values(), ids=list(FOR_GOOD))
def test_what_a_module_changes_in_warnings(agree: Agree, change: str) -> None:
    """It is there for whoever has imported the module, though others go on."""
    guarded = agree(
        {
            "large.py": """
                import pk, signals
                signals.tell("half")
                signals.hear()
            """,
            "pk.py": f"""
                import warnings
                warnings.simplefilter("ignore", BytesWarning)
                {change}
            """,
        },
        warm=["large"],
        main="""
            import warnings
            warnings.simplefilter("default", ResourceWarning, append=True)
            import signals
            signals.hear("half")
            import pk
            result = [filter for filter in warnings.filters]
            result += [getattr(warnings.showwarning, "__name__", None)]
            signals.tell()
        """,
    )
    assert guarded.errors == []


def test_a_patch_of_how_threads_start_made_meanwhile(agree: Agree) -> None:
    """What somebody puts in front of `start_new_thread` stays there, and works."""
    guarded = agree(
        {"slow.py": "import signals\nsignals.tell('half')\nsignals.hear()"},
        warm=["slow"],
        main="""
            import signals, threading, _thread
            signals.hear("half")
            started, original = [], _thread.start_new_thread
            def start(function, arguments):
                started.append(arguments)
                return original(function, arguments)
            _thread.start_new_thread = start
            signals.tell()
            import slow
            if signals.kind != "plain":
                signals.hear("ended")
            ran = threading.Semaphore(0)
            for name in "one", "two":
                _thread.start_new_thread(lambda _: ran.release(), (name,))
                ran.acquire()
            result = started, _thread.start_new_thread is start
        """,
    )
    assert guarded.errors == []


def test_a_failure_takes_away_only_what_was_imported(agree: Agree) -> None:
    """A stub that the user has put into a package stays there when that fails."""
    agree(
        {
            "broken.py": """
                import signals
                signals.tell("half")
                signals.hear()
                raise LookupError("never")
            """,
        },
        warm=["broken"],
        main="""
            import signals, sys, types
            signals.hear("half")
            sys.modules["broken.stub"] = types.ModuleType("broken.stub")
            signals.tell()
            if signals.kind != "plain":
                signals.hear("ended")
            try:
                import broken
            except LookupError:
                result = "broken.stub" in sys.modules
        """,
    )


def test_modules_are_pickled_by_name_meanwhile() -> None:
    """Who pickles modules by name, as cloudpickle does, can do so in a warmup."""
    module = types.ModuleType("json")
    hooks.borrow()
    try:
        assert pickle.loads(pickle.dumps(warnings)) is warnings  # noqa: S301
        partial.mark("json", module)
        assert pickle.loads(pickle.dumps(module)).__name__ == "json"  # noqa: S301
    finally:
        hooks.give_back()
        partial.unmark(lambda _: False)


def test_modules_are_marked_while_others_become_plain() -> None:
    """Another thread may mark a module of another package at any point."""
    modules = [types.ModuleType(name) for name in ("one", "two", "three")]

    def mark_another(package: str) -> bool:
        partial.mark(f"beside {package}", modules[2])
        return False

    partial.mark("one", modules[0])
    partial.mark("two", modules[1])
    partial.unmark(mark_another)
    partial.unmark(lambda _: False)
    assert {type(module) for module in modules} == {types.ModuleType}
