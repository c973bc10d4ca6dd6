"""Notebooks made up at random, run in kernels with a warmup and without."""

from __future__ import annotations

import ast
import functools
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ipywarmup.sources.statements import statements_of
from tests.kernel.conftest import Cell, Kernel
from tests.promises.experiment import Experiment, is_installed
from tests.promises.science import NOTEBOOKS, cells_of

if TYPE_CHECKING:
    from tests.promises.experiment import Kind

_ROOT = str(Path(__file__).parents[2])
INSTALLED = ("alpha", "beta", "gamma", "drawer", "broken", "loud")
"""Packages that note down what they see while they are imported; installed ones."""
_SEES = """
import builtins, logging, os, random, sys, time
time.sleep({seconds})
seen = {{
    "modes": {{key: os.environ[key] for key in sorted(os.environ) if "_MODE" in key}},
    "folder": os.path.basename(os.getcwd()),
    "path": [os.path.basename(each) for each in sys.path if "shadow" in each],
    "handlers": len(logging.root.handlers),
    "shell": "get_ipython" in vars(builtins),
    "from": os.path.basename(os.path.dirname(__file__)),
}}
"""
_ALSO = {
    "beta": "import alpha",
    "drawer": "random.random()",
    "broken": "raise ValueError('broken')",
    "loud": "logging.basicConfig(level='WARNING')",
}
LOCAL = {
    "settings.py": "import os\nos.environ['ALPHA_MODE'] = 'by settings'",
    "helper.py": "import gamma\ndef go(folder):\n    import os\n    os.chdir(folder)",
    "shadow/gamma.py": _SEES.format(seconds=0),
    "data/values.csv": "1,2\n",
}
CONFIGURATION = (
    "import os\nos.environ['ALPHA_MODE'] = '1'",
    "import os\nos.environ['SHARED_MODE'] = '2'",
    "from os import environ\nenviron.setdefault('BETA_MODE', '3')",
    "%env GAMMA_MODE=4",
    "import os\nvariables = os.environ\nvariables['ALPHA_MODE'] = '5'",
    "def configure():\n    import os\n    os.environ['BETA_MODE'] = '6'\nconfigure()",
    "import settings",
    "import helper\nhelper.go('data')",
    "import os\nif os.path.isdir('data'):\n    os.chdir('data')",
    "%cd -q data",
    "import sys\nsys.path.insert(0, os.path.abspath('shadow'))",
    "import logging\nlogging.basicConfig(level='INFO')",
    "import random\nrandom.seed(7)",
    'exec(\'import os; os.environ["GAMMA_MODE"] = "8"\')',
    "%%writefile written.py\nimport os\nos.environ['SHARED_MODE'] = '9'",
    "import written",
    "raise RuntimeError('in the middle')\nos.environ['ALPHA_MODE'] = '10'",
    "os.environ['ALPHA_MODE'] = 11  # a string is wanted",
)
PLAIN = (
    "x = sum(range(1000))\nx",
    "def twice(y):\n    return 2 * y\ntwice(21)",
    "import json\njson.dumps({'a': 1})",
    "[z for z in range(3)]",
    "import random\nrandom.seed(3)\nimport drawer\nrandom.random()",
    "print(open('data/values.csv').read())",
    "%time pass",
    "import logging\nlogging.getLogger('a').info('told')",
)
IMPORTS = (
    ("import {0}", "print({0}.seen)"),
    ("import {0} as other, {1}", "print(other.seen, {1}.seen)"),
    ("from {0} import seen", "print(seen)"),
    ("try:\n    import {0}\nexcept ImportError:\n    pass", "print({0}.seen)"),
    (
        "try:\n    import {0} as x\nexcept ValueError as error:\n    x = error",
        "print(x)",
    ),
    ("import {0}\nimport helper", "print({0}.seen)"),
    ("import helper\nimport {0}", "print({0}.seen)"),
    (
        "import os\nimport {0}\nos.environ['ALPHA_MODE'] = '12'\nimport {1}",
        "print({0}.seen, {1}.seen)",
    ),
    ("class A:\n    import {0}\n    seen = {0}.seen", "print(A.seen)"),
    ("def f():\n    import {0}\n    return {0}.seen", "print(f())"),
)
"""Code that imports, and what shows what that has seen."""
_MAGIC = "%%warmup --quiet\n"
"""What makes a cell an import cell."""


class Notebook(NamedTuple):
    """
    A notebook as it is saved, and what is run of it.

    Parameters
    ----------
    saved : list of str
        The cells.
    runs : list of tuple of str and float
        Code, and the seconds before it is sent.
    """

    saved: list[str]
    runs: list[tuple[str, float]]


def made_up(chance: random.Random) -> Notebook:
    """Return a notebook, mostly run from its top to its end."""
    saved = [_cell(chance) for _ in range(chance.randint(3, 9))]
    runs = list(saved)
    if chance.random() < 0.2:  # a cell that is run twice, or never
        place = chance.randrange(len(runs))
        runs[place : place + 1] = [runs[place]] * chance.choice([0, 2])
    if chance.random() < 0.2:  # one that was edited since it was saved
        barriers = [n for n, code in enumerate(runs) if code in CONFIGURATION]
        if barriers:
            runs[chance.choice(barriers)] = chance.choice(CONFIGURATION)
    if chance.random() < 0.2:  # two that change no import, the other way round
        plain = [n for n, code in enumerate(runs) if code in PLAIN]
        if len(plain) > 1:
            one, two = chance.sample(plain, 2)
            runs[one], runs[two] = runs[two], runs[one]
    pauses = (chance.choice([0.0, 0.0, 0.1, 0.4]) for _ in runs)
    return Notebook(saved, list(zip(runs, pauses, strict=True)))


def _cell(chance: random.Random) -> str:
    kind = chance.random()
    if kind < 0.3:
        return chance.choice(CONFIGURATION)
    if kind < 0.5:
        return chance.choice(PLAIN)
    names = chance.sample(INSTALLED, 2)
    code, look = (each.format(*names) for each in chance.choice(IMPORTS))
    return code if kind < 0.6 else f"{code}\n{look}"


def write(folder: Path, notebook: Notebook) -> None:
    """Write a notebook, what lies beside it, and what is installed."""
    for name, source in LOCAL.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(source), encoding="utf-8")
    for name in INSTALLED:
        source = _SEES.format(seconds=0.03) + _ALSO.get(name, "")
        place = folder / "installed"
        record = place / f"{name}-1.0.dist-info"
        record.mkdir(parents=True)
        (place / f"{name}.py").write_text(source, encoding="utf-8")
        (record / "METADATA").write_text(f"Name: {name}\nVersion: 1.0\n", "utf-8")
        (record / "top_level.txt").write_text(f"{name}\n", encoding="utf-8")
    content = {
        "cells": [
            {"cell_type": "code", "source": source, "outputs": [], "metadata": {}}
            for source in notebook.saved
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (folder / "work.ipynb").write_text(json.dumps(content), encoding="utf-8")


@functools.cache
def _enabled() -> tempfile.TemporaryDirectory[str]:
    """Return a folder of IPython's in which every kernel warms up at its start."""
    folder = tempfile.TemporaryDirectory()
    subprocess.run(
        [sys.executable, "-m", "ipywarmup", "enable"],
        env={**os.environ, "IPYTHONDIR": folder.name, "PYTHONPATH": _ROOT},
        capture_output=True,
        check=True,
    )
    return folder


BEFORE = {
    "plain": "",
    "enable": "",
    "notebook": "%load_ext ipywarmup\n%warmup notebook --quiet",
    "cell": "%load_ext ipywarmup",
    "pool": """
        import concurrent.futures, importlib
        concurrent.futures.ThreadPoolExecutor(1).map(importlib.import_module, {names})
    """,
}
"""By the way of a warmup: what is run before the first cell."""


_FAILED = (
    "[str(each['error']) for each in __import__('ipywarmup').get_manager().canaries()]"
)


class Shown(NamedTuple):
    """
    What running a notebook has shown.

    Parameters
    ----------
    cells : list of Cell
    failed : list of str
        What is recorded of imports that have failed.
    """

    cells: list[Cell]
    failed: list[str]


def outputs(notebook: Notebook, way: str, *, attended: bool = False) -> Shown:
    """Run a notebook in a kernel of its own."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name) / "work"
        folder.mkdir()
        write(folder, notebook)
        shutil.copytree(_enabled().name, folder / "ipython")
        kernel = Kernel(
            folder,
            PYTHONPATH=os.pathsep.join([str(folder / "installed"), _ROOT]),
            JPY_SESSION_NAME=str(folder / "work.ipynb"),
            IPYWARMUP_AUTO="on" if way == "enable" else "off",
        )
        kernel.attended = attended
        try:
            text = "\n".join(notebook.saved)
            names = [each for each in INSTALLED if each in text]
            kernel.execute(BEFORE[way].format(names=names))
            cells: list[Cell] = []
            told: list[tuple[str, str]] = []
            for code, pause in notebook.runs:
                time.sleep(pause)
                cell = kernel.execute(code)
                # What a postponed statement raises is raised in the next cell, too,
                # once: who reads it there runs that cell again.
                above = [each for earlier in cells for each in _errors(earlier)]
                errors = _errors(cell)
                if way == "cell" and any(
                    above.count(each) > told.count(each) for each in errors
                ):
                    told += errors
                    cell = kernel.execute(code)
                cells.append(cell)
            if way == "cell":
                # What is postponed has run by the end, whenever that was.
                kernel.execute("%warmup wait")
            return Shown(
                [_without(str(folder), cell) for cell in cells],
                kernel.value(_FAILED) if way == "cell" else [],
            )
        finally:
            kernel.close()


def _without(folder: str, cell: Cell) -> Cell:
    """Take out where the files of a run are, and which address objects have."""
    shown = json.dumps([{**each, "header": {}} for each in cell.messages], default=str)
    shown = re.sub(r"0x[0-9a-f]+", "0x", shown.replace(folder, ""))
    return Cell(cell.msg_id, json.loads(shown))


def _everything(cell: Cell) -> object:
    """Return all that a cell shows; how a text is cut into messages is chance."""
    shown: list[dict[str, Any]] = []
    for content in cell.of_type("stream", "display_data", "execute_result", "error"):
        if "text" in content and shown and shown[-1].get("name") == content["name"]:
            shown[-1]["text"] += content["text"]
        else:
            shown.append(dict(content))
    return shown


def _in_the_end(cell: Cell) -> object:
    """Return what a cell shows once all of it has run, less how errors came about."""
    return (
        re.sub("Waiting for .*\n", "", cell.stdout),
        cell.stderr,
        cell.of_type("display_data", "execute_result"),
        _errors(cell),
    )


def _errors(cell: Cell) -> list[tuple[str, str]]:
    return [(error["ename"], error["evalue"]) for error in cell.of_type("error")]


def try_notebook(kind: Kind, seed: int) -> list[str]:
    """Run a notebook plainly and with a warmup, and compare what they show."""
    chance = random.Random(seed)  # noqa: S311 - a seed is the point
    notebook = made_up(chance)
    way = chance.choice(["enable", "notebook", "cell"]) if kind == "warmup" else "pool"
    return _differences(notebook, way, chance)


def try_science(kind: Kind, seed: int) -> list[str]:
    """Do so with a notebook as data scientists write them."""
    chance = random.Random(seed)  # noqa: S311
    names = [
        name for name, (needs, _) in NOTEBOOKS.items() if all(map(is_installed, needs))
    ]
    # One after the other, so that as many trials as notebooks are one of each.
    name = names[seed % len(names)]
    cells = cells_of(name)
    pauses = [chance.choice([0.0, 0.1, 0.5]) for _ in cells]
    notebook = Notebook(cells, list(zip(cells, pauses, strict=True)))
    way = chance.choice(["enable", "notebook", "cell"]) if kind == "warmup" else "plain"
    return [f"{name}, {fault}" for fault in _differences(notebook, way, chance)]


def _differences(notebook: Notebook, way: str, chance: random.Random) -> list[str]:
    """Run a notebook plainly and in one way; return the first difference."""
    attended = chance.random() < 0.5
    seen = _in_the_end if way == "cell" else _everything
    runs = notebook.runs
    plain = outputs(notebook, "plain", attended=attended)
    if way == "cell":
        runs = [
            (_MAGIC * _is_import_cell(code, cell) + code, pause)
            for (code, pause), cell in zip(runs, plain.cells, strict=True)
        ]
    warmed = outputs(notebook._replace(runs=runs), way, attended=attended)
    return [
        f"{way}: {code!r} shows {seen(found)}, not {seen(expected)}"
        for (code, _), expected, found in zip(
            runs, plain.cells, warmed.cells, strict=True
        )
        # How long a cell took is another matter.
        if seen(found) != seen(expected)
        and not code.startswith("%time")
        and not (code.startswith(_MAGIC) and _is_recorded(expected, found, warmed))
    ][:1]


def _is_recorded(plain: Cell, cell: Cell, shown: Shown) -> bool:
    """
    Tell whether all that an import cell lacks is the error of an import in a record.

    It is raised where a name of that is used.
    """
    errors = [": ".join(each) for each in _errors(plain)]
    others = [each for each in plain.messages if each["msg_type"] != "error"]
    told = not set(errors).isdisjoint(shown.failed)
    return told and _in_the_end(cell) == _in_the_end(Cell("", others))


def _is_import_cell(code: str, plain: Cell) -> bool:
    """
    Tell whether a cell goes below ``%%warmup``.

    An import that fails there does not keep those below it from being tried.
    """
    if "import" not in code or code.startswith("%"):
        return False
    statements = statements_of(ast.parse(code).body)
    above = [name for each in statements for name in each.modules][:-1]
    return not (_errors(plain) and {"broken", "helper"}.intersection(above))


EXPERIMENTS: tuple[Experiment, ...] = (
    Experiment(
        name="notebooks",
        promise="Every output of a notebook is what it is without a warmup, whatever"
        " its cells configure before they import: `enable` and `%warmup notebook` start"
        " an import once that has run, and `%%warmup` keeps the order of a cell.",
        control="a thread pool that imports at the start what the notebook names",
        trial=try_notebook,
        trials=100,
        controls=10,
        short=2,
    ),
    Experiment(
        name="science",
        promise="The same for 20 notebooks as data scientists write them.",
        control="the same notebook twice, without a warmup",
        trial=try_science,
        trials=20,
        controls=20,
        short=1,
    ),
)
