"""The statements of an import cell."""

from __future__ import annotations

import ast

import pytest

from ipywarmup.sources.statements import Statement, statements_of

INSTALLED = dict.fromkeys(
    ["numpy", "sklearn", "sklearn.ensemble", "os", "os.path", "torch"], "there"
)


def parsed(cell: str) -> Statement:
    """Return the statement of a cell of one."""
    (statement,) = statements_of(ast.parse(cell).body, INSTALLED.get)
    return statement


@pytest.mark.parametrize(
    ("cell", "modules", "binds"),
    [
        ("import numpy as np", ("numpy",), {"np": {"np"}}),
        (
            "import os.path, numpy",
            ("os.path", "numpy"),
            {"os": {"os.path"}, "numpy": {"numpy"}},
        ),
        (
            "from os import path as p, sep",
            ("os", "os.path"),
            {"p": {"p"}, "sep": {"sep"}},
        ),
        ("from numpy import *", ("numpy",), {"*": {"*"}}),
        ("from __future__ import division", (), {"division": {"division"}}),
        (
            "try:\n  import torch\nexcept ImportError:\n  torch = None",
            ("torch",),
            {"torch": {"torch"}},
        ),
        (
            "try:\n  import cupy as xp\nexcept ImportError:\n  import numpy as xp",
            ("numpy",),
            {"xp": {"xp"}},
        ),
        (
            "try:\n  import torch\n  T = 1\nexcept OSError: pass\nelse:\n  import os",
            ("torch", "os"),
            {"torch": {"torch"}, "T": {"T"}, "os": {"os"}},
        ),
    ],
)
def test_modules_and_names(
    cell: str, modules: tuple[str, ...], binds: dict[str, set[str]]
) -> None:
    """What is imported, submodules included, and what it binds."""
    statement = parsed(cell)
    assert statement.imports
    assert statement.modules == modules
    assert {name: set(uses) for name, uses in statement.binds.items()} == binds


@pytest.mark.parametrize(
    "cell",
    [
        "x = 1",
        "from .a import b",
        "try:\n  import os\n  x = f()\nexcept ImportError: pass",
        "try:\n  import os\nexcept own.Error: pass",
        "try:\n  import os\nfinally:\n  pass",
        "try:\n  x = 1\nexcept ImportError: pass",
        "if f():\n  import os",
        "with suppress(ImportError):\n  import torch",
        "def f():\n  import torch",
    ],
)
def test_anything_else_is_no_import(cell: str) -> None:
    """It may do more, or not import at all."""
    statement = parsed(cell)
    assert (statement.imports, statement.modules, statement.binds) == (False, (), {})
