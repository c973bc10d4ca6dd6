"""Notebooks that do what notebooks should not do: with a warmup as without one."""

from __future__ import annotations

import json

import pytest

from tests.promises.notebooks import Notebook, outputs

WAYS = ("enable", "notebook", "cell")
EDIT = "import pathlib\n_ = pathlib.Path('edited.py').write_text('value = {}  # {}')"
ODD = {
    "builtins.__import__ is another": [
        (
            "import builtins\nplain = builtins.__import__\nseen = set()\n"
            "def noting(name, *arguments, **named):\n"
            "    seen.add(name) if name == 'alpha' else None\n"
            "    return plain(name, *arguments, **named)\n"
            "builtins.__import__ = noting"
        ),
        "import alpha",
        "seen, alpha.seen['folder']",
        "builtins.__import__ = plain",
        "import beta\nbeta.seen['from']",
    ],
    "sys.modules is another": [
        "import sys\nformer = sys.modules\nsys.modules = dict(former)",
        "import alpha\nalpha.seen['from']",
        "'alpha' in sys.modules",
        "sys.modules = former",
        "import beta\nbeta.seen['from']",
    ],
    "a module is put into sys.modules": [
        "import sys, types\nsys.modules['alpha'] = types.ModuleType('alpha', 'mine')",
        "import alpha\nalpha.__doc__",
        "del sys.modules['alpha']\nimport alpha\nalpha.seen['from']",
    ],
    "a syntax error where it configures": [
        "import os\nos.environ['ALPHA_MODE'] = '1' if",
        "import alpha\nalpha.seen['modes']",
    ],
    "what configures raises": [
        "import os\n{}['no key']\nos.environ['ALPHA_MODE'] = '1'",
        "import alpha\nalpha.seen['modes']",
        "os.environ['BETA_MODE'] = '2'\nimport beta\nbeta.seen['modes']",
    ],
    "a cell of bash": [
        "%%bash\nexport ALPHA_MODE=1\necho done",
        "import alpha\nalpha.seen['modes']",
    ],
    "a module that a cell writes": [
        "%%writefile written.py\nimport os\nos.environ['ALPHA_MODE'] = '1'\nX = 1",
        "import written\nwritten.X",
        "import alpha\nalpha.seen['modes']",
    ],
    "%autoreload and a module that is edited": [
        "%load_ext autoreload\n%autoreload 2",
        EDIT.format(1, ""),
        "import edited, alpha\nedited.value",
        EDIT.format(2, "longer, so that its bytecode is stale"),
        "edited.value, alpha.seen['from']",
    ],
    "2,000 cells": [
        *[f"x{number} = {number}" for number in range(20)],
        "import os\nos.environ['ALPHA_MODE'] = '1'",
        "import alpha\nalpha.seen['modes']",
    ],
}


def shown(name: str, way: str) -> list[object]:
    """Return what the cells of a notebook show, in one way."""
    cells = ODD[name]
    runs = [(cell, 0.0) for cell in cells]
    if name == "2,000 cells":
        cells = [*cells, *[f"y{number} = {number}" for number in range(2000)]]
    if way == "cell":
        above = "%%warmup --quiet\n"
        runs = [
            (above * ("import" in code and code[0] != "%") + code, pause)
            for code, pause in runs
        ]
    return [
        (cell.stdout, cell.of_type("execute_result"), cell.error)
        for cell in outputs(Notebook(cells, runs), way).cells
    ]


@pytest.mark.parametrize("name", ODD)
def test_it_shows_the_same(name: str) -> None:
    """Whichever way the imports are warmed."""
    plain = shown(name, "plain")
    assert "error" not in json.dumps(plain[-1]).lower()
    for way in WAYS:
        assert shown(name, way) == plain, way
