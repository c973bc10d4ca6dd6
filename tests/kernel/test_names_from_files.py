"""%warmup notebook and %warmup file in a real kernel."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.kernel.conftest import Kernel

CELLS = [
    "%matplotlib inline\nimport wave\nfrom xml import dom\nimport notebook_neighbour",
    "try:\n    import nosuch_optional\nexcept ImportError:\n    pass",
    "x = (",
]


@pytest.fixture
def notebook(kernel: Kernel) -> str:
    """Write a notebook beside the kernel, and a module that nobody may import."""
    folder = kernel.modules.parent
    made = {
        "cells": [
            {"cell_type": "code", "source": source, "outputs": [], "metadata": {}}
            for source in CELLS
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (folder / "my work.ipynb").write_text(json.dumps(made), encoding="utf-8")
    (folder / "notebook_neighbour.py").write_text("raise SystemExit", encoding="utf-8")
    return str(folder / "my work.ipynb")


FORGET = """
import sys
for name in ("wave", "xml.dom"):
    sys.modules.pop(name, None)
_ = globals().pop("__vsc_ipynb_file__", None)
"""
SAID = [
    "From my work.ipynb: wave, xml.dom",
    (
        "Left out (a file of the working directory; name it in %warmup to import it):"
        " notebook_neighbour"
    ),
    "Left out (optional, and not installed): nosuch_optional",
    "Warming up in the background: wave, xml.dom",
]


def test_notebook_is_found_by_its_name_or_by_itself(
    kernel: Kernel, notebook: str
) -> None:
    """A path, VS Code's variable and a server's session name lead to the same."""
    kernel.run(FORGET)
    ways = (
        f"%warmup notebook {notebook!r}",
        f"__vsc_ipynb_file__ = {notebook!r}\n%warmup notebook",
        f"import os\nos.environ['JPY_SESSION_NAME'] = {notebook!r}\n%warmup notebook",
    )
    for way in ways:
        cell = kernel.execute(f"{way}\n%warmup wait")
        lines = cell.stdout.splitlines()
        assert lines[:4] == SAID, cell.shown
        assert lines[-1] == "Warmup done: 2 of 2 modules completed"
        assert (
            kernel.value("'notebook_neighbour' in __import__('sys').modules") is False
        )
        kernel.execute("%warmup reset")
        kernel.run(FORGET)
    kernel.run("del os.environ['JPY_SESSION_NAME']")


def test_script_is_warmed(kernel: Kernel) -> None:
    """What a script imports is warmed, and `--quiet` shows nothing."""
    script = kernel.modules.parent / "train.py"
    script.write_text("import sched\nfrom . import x\n", encoding="utf-8")
    kernel.run(f"%warmup file {str(script)!r} --quiet --wait")
    assert kernel.canary("sched")["status"] == "completed"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("notebook", "nothing tells which notebook this is"),
        ("notebook nosuch.ipynb", "there is no 'nosuch.ipynb'"),
        ("notebook ~nobody_at_all/x.ipynb", "there is no '~nobody_at_all/x.ipynb'"),
        ("file", "name the script"),
        ("file ~nobody_at_all/x.py", "there is no '~nobody_at_all/x.py'"),
        ("file nosuch.py", "there is no 'nosuch.py'"),
        ("notebook a b", "takes one file, but got 'b'"),
        ("file 'a", "no closing quotation"),
        ("notebook --wiat", "did you mean --wait?"),
    ],
)
def test_bad_input_is_one_line(kernel: Kernel, line: str, words: str) -> None:
    """Nothing is started, and one line names the culprit."""
    before = kernel.value("len(ipywarmup.get_manager().canaries())")
    cell = kernel.execute(f"%warmup {line}")
    (said,) = (cell.stdout + cell.stderr).splitlines()
    assert said.startswith("UsageError: %warmup")
    assert words in said
    assert kernel.value("len(ipywarmup.get_manager().canaries())") == before


def test_nothing_to_warm_is_said(
    kernel: Kernel, write_module: Callable[..., str]
) -> None:
    """A script without imports starts no warmup."""
    name = write_module("x = 1")
    cell = kernel.execute(f"%warmup file modules/{name}.py")
    assert cell.stdout == f"Nothing to warm in {name}.py\n"
    assert not kernel.value("ipywarmup.get_manager().run.submitted")
