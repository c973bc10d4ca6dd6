"""What two importing threads do to each other, and do not during a warmup."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, TypeAlias

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.importlock.conftest import Report

    Compare: TypeAlias = Callable[..., tuple[Report, Report]]


# What a naive thread gets that asks for a module another one has half-built.
ASKED = {
    "from circle.part import Part": (
        "ImportError: cannot import name 'Part' from partially initialized module"
        " 'circle.part'"
    ),
    "import circle.part; Part = circle.part.Part": (
        "AttributeError: partially initialized module 'circle' .*no attribute 'part'"
    ),
    "import importlib; Part = importlib.import_module('circle.part').Part": (
        "_DeadlockError: deadlock detected by _ModuleLock\\('circle.part'\\)"
    ),
}


@pytest.mark.parametrize(("asked", "error"), ASKED.items())
def test_a_package_entered_at_two_points(
    compare: Compare, asked: str, error: str
) -> None:
    """A package does not meet a submodule half-way that another thread imports."""
    naive, guarded = compare(
        {
            "circle/__init__.py": f"""
                import signals
                signals.tell("half")
                signals.hear_blocked("circle")
                config = 1
                {asked}
            """,
            "circle/part.py": """
                from circle import config
                Part = "part"
            """,
        },
        warm=["circle"],
        main="""
            import signals
            signals.hear("half")
            from circle.part import Part as result
        """,
    )
    assert re.match(error, str(naive.warm["circle"]))
    assert guarded.errors == []
    assert guarded.counts["waits"] == 1


def test_a_package_that_looks_its_names_up_elsewhere(compare: Compare) -> None:
    """Nobody asks a package for names before it knows where it looks them up."""
    naive, guarded = compare(
        {
            "lazy/__init__.py": """
                import signals, sys, types
                class LazyModule(types.ModuleType):
                    def __getattr__(self, name):
                        return getattr(self.names, name)
                sys.modules[__name__].__class__ = LazyModule
                signals.tell("half")
                signals.hear()
                names = types.SimpleNamespace(config="config")
            """,
            "lazy/part.py": """
                import sys
                config = sys.modules["lazy"].config
            """,
        },
        warm=["lazy"],
        main="""
            import signals
            signals.hear("half")
            from lazy.part import config as result
        """,
    )
    assert naive.main is not None
    assert naive.main.startswith("RecursionError")
    assert guarded.errors == []


def test_a_package_that_fails_under_its_submodule(compare: Compare) -> None:
    """A submodule's import ends as that of its package does, not in a KeyError."""
    naive, guarded = compare(
        {
            "licensed/__init__.py": """
                import signals
                signals.tell("half")
                signals.hear()
                raise ImportError("no licence")
            """,
            "licensed/part.py": """
                import signals
                signals.tell()
                signals.hear("ended")
            """,
        },
        warm=["licensed"],
        main="""
            import signals
            signals.hear("half")
            try:
                import licensed.part
            except ImportError as error:
                result = str(error)
        """,
    )
    assert naive.main == "KeyError: 'licensed'"
    assert guarded.errors == ["ImportError: no licence"]


MUTUAL = """
import importlib, signals
value = 1
signals.meet()
other = importlib.import_module({other!r}).value
"""


def test_packages_that_import_each_other(compare: Compare) -> None:
    """Of two threads that want each other's package none gets a _DeadlockError."""
    naive, guarded = compare(
        {
            "one/__init__.py": MUTUAL.format(other="two"),
            "two/__init__.py": MUTUAL.format(other="one"),
        },
        warm=["one"],
        main="""
            import signals
            signals.hear("entered")
            import two
            result = two.value, two.other
        """,
    )
    assert any("_DeadlockError" in error for error in naive.errors)
    assert guarded.errors == []
    assert guarded.counts["circles"] >= 1


def test_modules_that_cannot_be_loaded_twice(compare: Compare) -> None:
    """What naive threads break for the life of the process is not even touched."""
    once = "import signals\nsignals.once(__name__)\n"
    naive, guarded = compare(
        {
            "one/__init__.py": once + MUTUAL.format(other="two"),
            "two/__init__.py": once + MUTUAL.format(other="one"),
        },
        warm=["one"],
        main="""
            import signals
            signals.hear("entered")
            result = []
            for attempt in range(2):
                try:
                    import two, one
                except BaseException as error:
                    result.append(str(error))
                else:
                    result.append(one.other + two.other)
                signals.hear("ended")
        """,
    )
    assert "cannot load module more than once per process" in naive.result
    assert guarded.errors == []


PEEKS = [
    "frames.Frame",
    "hasattr(frames, 'Frame')",
    "getattr(frames, 'Frame', 'nothing')",
    "'Frame' in dir(frames)",
]


@pytest.mark.parametrize("peek", PEEKS)
def test_a_peek_at_a_half_built_module(compare: Compare, peek: str) -> None:
    """Who finds a module in sys.modules never sees what it does not have yet."""
    naive, guarded = compare(
        {
            "frames/__init__.py": """
                import signals
                signals.tell("half")
                signals.hear()
                Frame = int
            """,
        },
        warm=["frames"],
        main=f"""
            import signals, sys
            signals.hear("half")
            if signals.kind == "plain":
                import frames
            frames = sys.modules["frames"]
            result = {peek}
        """,
    )
    assert naive.main or naive.result != guarded.result
    assert guarded.errors == []
    assert guarded.counts["waits"] == 1


def test_a_name_from_a_lazy_package(compare: Compare) -> None:
    """A package that imports its parts on demand has all its names at all times."""
    part = """
        import signals
        {name} = {name!r}
        signals.meet()
        from lazy import {other}
    """
    naive, guarded = compare(
        {
            "lazy/__init__.py": """
                import importlib, sys, types
                PARTS = {"Model": "models", "Config": "configs"}
                class LazyModule(types.ModuleType):
                    def __init__(self, module):
                        super().__init__(module.__name__)
                        vars(self).update(vars(module))
                    def __getattr__(self, name):
                        if name not in PARTS:
                            raise AttributeError(name)
                        try:
                            part = importlib.import_module("." + PARTS[name], __name__)
                        except Exception as error:
                            raise AttributeError(name) from error
                        return getattr(part, name)
                sys.modules[__name__] = LazyModule(sys.modules[__name__])
            """,
            "lazy/models.py": part.format(name="Model", other="Config"),
            "lazy/configs.py": part.format(name="Config", other="Model"),
        },
        warm=["lazy.models"],
        main="""
            import signals
            signals.hear("entered")
            from lazy import Config as result
        """,
    )
    assert any("cannot import name" in error for error in naive.errors)
    assert guarded.errors == []


def test_a_name_from_a_package_that_replaces_itself(compare: Compare) -> None:
    """Who waited for the module that stood there first gets what the second has."""
    naive, guarded = compare(
        {
            "lazy.py": """
                import signals, sys, types
                signals.tell("half")
                signals.hear()
                class LazyModule(types.ModuleType):
                    def __getattr__(self, name):
                        if name == "Config":
                            return "config"
                        return getattr(old, name)
                old = sys.modules[__name__]
                sys.modules[__name__] = LazyModule(__name__)
                sys.modules[__name__].__spec__ = __spec__
            """,
        },
        warm=["lazy"],
        main="""
            import signals
            signals.hear("half")
            from lazy import Config
            import lazy
            result = Config, lazy.Config, lazy.old.__name__, hasattr(lazy, "nothing")
        """,
    )
    assert naive.main is not None
    assert "cannot import name 'Config' from 'lazy'" in naive.main
    assert guarded.errors == []
