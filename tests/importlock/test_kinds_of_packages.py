"""Packages of every kind: a warmup gives what an import gives."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias

import pytest

from ipywarmup.importlock.hooks import hooks

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.importlock.conftest import Report, Write

    Agree: TypeAlias = Callable[..., Report]


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


def test_a_package_that_attaches_its_parts_lazily(agree: Agree) -> None:
    """A part is imported by its first use, on whichever thread that is."""
    guarded = agree(
        {
            "lazy/__init__.py": """
                import importlib, sys
                PARTS = {"Model": "models", "Config": "configs"}
                def __getattr__(name):
                    if name not in PARTS:
                        raise AttributeError(f"no {name} in here")
                    part = importlib.import_module("lazy." + PARTS[name])
                    value = getattr(part, name)
                    setattr(sys.modules[__name__], name, value)
                    return value
                def __dir__():
                    return sorted(PARTS)
            """,
            "lazy/models.py": """
                import signals
                from lazy import Config
                signals.tell("half")
                signals.hear()
                Model = "model of " + Config
            """,
            "lazy/configs.py": "Config = 'config'",
        },
        warm=["lazy.models"],
        main="""
            import signals
            signals.hear("half")
            import lazy
            from lazy import Config
            model = lazy.Model
            result = model, Config, dir(lazy), hasattr(lazy, "other")
        """,
    )
    assert guarded.errors == []
    assert guarded.result.startswith("('model of config', 'config'")


@pytest.mark.usefixtures("in_place")
def test_lazy_modules(write: Write) -> None:
    """A module of `importlib.util.LazyLoader` is loaded by its first use."""
    name = write("late = 1")
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    with hooks.borrowed():
        spec.loader = importlib.util.LazyLoader(spec.loader)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        assert type(module) is not ModuleType
        assert importlib.import_module(name) is module
        assert module.late == 1
    assert type(module) is ModuleType


@pytest.mark.usefixtures("in_place")
def test_namespace_packages(write: Write) -> None:
    """A package without an `__init__` is imported, and its modules with it."""
    name = write(None, part="import PACKAGE\nvalue = 1")
    with hooks.borrowed():
        module = importlib.import_module(f"{name}.part")
    assert module.value == 1
    assert sys.modules[name].part is module
    assert type(sys.modules[name]) is ModuleType
