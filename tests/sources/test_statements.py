"""The statements of an import cell."""

from __future__ import annotations

import pytest

from ipywarmup.sources.line import LineError
from ipywarmup.sources.statements import parse_cell

INSTALLED = dict.fromkeys(
    ["numpy", "sklearn", "sklearn.ensemble", "os", "os.path", "torch"], "there"
)


def parsed(cell: str) -> list[tuple[tuple[str, ...], dict[str, set[str]]]]:
    """Return what each statement imports and binds."""
    return [
        (each.modules, {name: set(uses) for name, uses in each.binds.items()})
        for each in parse_cell(cell, INSTALLED.get)
    ]


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
    assert parsed(cell) == [(modules, binds)]


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("x = 1", "line 2, 'x = 1', is no import"),
        ("import os\n'text'", "line 3, \"'text'\", is no import"),
        ("try:\n  import os\n  x = f()\nexcept ImportError: pass", "line 4, 'x = f()'"),
        ("try:\n  import os\nfinally:\n  pass", "line 2, 'try: …', is no import"),
        ("if True:\n  import os", "line 2, 'if True: …', is no import"),
        ("from .a import b", "line 2, 'from .a import b', is relative"),
        ("!pip install x", "line 2, '!pip install x', is no import"),
        ("import", "line 2, 'import', is not Python"),
        ("\0", "not Python"),
        pytest.param(
            f"x = {'-' * 100_000}1", "nested too deeply to be read", id="minus"
        ),
        pytest.param(
            f"x = {'1 + ' * 100_000}1", "nested too deeply to be read", id="plus"
        ),
        ("", "no import statements"),
    ],
)
def test_anything_else_is_refused(cell: str, words: str) -> None:
    """The first statement that is no import is named, with its line in the cell."""
    with pytest.raises(LineError) as caught:
        parsed(cell)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
