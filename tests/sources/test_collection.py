"""Notebook, project and trust together: what a kernel would warm, and what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ipywarmup.panel.rows import enumerate_names
from ipywarmup.sources.collection import auto, describe, of_notebook, of_script
from ipywarmup.sources.files import SourceError

if TYPE_CHECKING:
    from collections.abc import Callable

# Of the standard library, and imported by none of the tests' parts.
CELLS = ("import this\nimport nosuch", "import xml.dom.pulldom", "import = 1")


@pytest.fixture(autouse=True)
def unloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make sure of what is said above, whatever ran before."""
    for name in ("this", "antigravity", "xml.dom", "xml.dom.pulldom"):
        monkeypatch.delitem(sys.modules, name, raising=False)


def project(folder: Path, text: str) -> Path:
    """Write the table of a project."""
    path = folder / "pyproject.toml"
    path.write_text(f"[tool.ipywarmup]\n{text}")
    return path


def session(path: Path) -> dict[str, str]:
    """Return the environment of a kernel of this notebook."""
    return {"JPY_SESSION_NAME": str(path)}


def test_a_notebook_is_collected(save: Callable[..., Path]) -> None:
    """By its path, or as that which the kernel belongs to; all is told."""
    path = save(*CELLS)
    collection = of_notebook(path, {}, {})
    assert collection == of_notebook(None, {}, session(path)) == auto({}, session(path))
    assert collection.path == path
    assert describe(collection, enumerate_names) == [
        "From analysis.ipynb: this, xml.dom.pulldom",
        "Left out (not installed): nosuch",
        "Passed over, since it is no Python: cell 3",
    ]


def test_exclusions_of_the_project_hold(here: Path, save: Callable[..., Path]) -> None:
    """For notebooks and scripts below it, but its list is not theirs."""
    project(here, 'modules = ["antigravity"]\nexclude = ["xml"]')
    path = save(*CELLS, name="deep/er/analysis.ipynb")
    assert of_notebook(path, {}, {}).selection.taken == ("this",)
    script = here / "deep" / "script.py"
    script.write_text("import this, xml.dom.pulldom")
    assert of_script(Path("deep") / "script.py").selection.taken == ("this",)


def test_a_broken_project_is_a_remark(here: Path, save: Callable[..., Path]) -> None:
    """The rest goes on."""
    project(here, "modules = 1")
    path = save(*CELLS)
    for collection in (of_notebook(path, {}, {}), auto({}, session(path))):
        assert collection.selection.taken == ("this", "xml.dom.pulldom")
        assert len(collection.remarks) == 1
        assert (
            "is not a list; write modules ="
            in describe(collection, enumerate_names)[-1]
        )


def test_an_unknown_notebook_is_an_error_of_who_asks_for_it() -> None:
    """Whoever types %warmup notebook in a terminal is told why that is nothing."""
    with pytest.raises(SourceError, match="nothing tells which notebook this is"):
        of_notebook(None, {}, {})


@pytest.mark.parametrize("cells", [None, ("x = 1",)])
def test_without_imports_the_list_of_the_project_is_taken(
    here: Path, save: Callable[..., Path], cells: tuple[str, ...] | None
) -> None:
    """Where the notebook is unknown, or new; what cannot be warmed is explained."""
    path = project(
        here, 'modules = ["this", "nosuch", "xml.dom"]\nexclude = ["xml.dom"]'
    )
    collection = auto({}, session(save(*cells)) if cells else {})
    assert collection.path == path
    assert describe(collection, enumerate_names)[:3] == [
        "From pyproject.toml: this",
        "Left out (not installed): nosuch",
        "Left out (excluded): xml.dom",
    ]
    assert len(collection.remarks) == (cells is None)


def test_where_there_is_nothing_nothing_is_taken(
    here: Path, save: Callable[..., Path]
) -> None:
    """Neither notebook nor project, or both broken: remarks, never an error."""
    assert auto({}, {}).selection.taken == ()
    assert describe(auto({}, {}), enumerate_names)[0] == "Nothing to warm in any file"
    path = save("import json", nbformat=3)
    project(here, "nosuch = 1")
    remarks = auto({}, session(path)).remarks
    assert len(remarks) == 2
    assert "notebook format 3" in remarks[0]
    assert "unknown key 'nosuch'" in remarks[1]


def test_a_path_may_begin_at_home(
    save: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tilde is what a shell makes of it."""
    path = save(*CELLS)
    monkeypatch.setenv("HOME", str(path.parent))
    assert of_notebook(Path("~") / path.name, {}, {}).path == path


TRAP = "open({!r}, 'w').close()\nraise SystemExit"
PROGRAM = """
    import sys, os
    # Kernels have these; tomllib and what it needs, they have not.
    import importlib.metadata, json, ast
    from ipywarmup.sources import collection, installed
    sys.path.insert(0, "")
    before = set(sys.modules)
    notebook = collection.auto({}, os.environ)
    script = collection.of_script(collection.Path("script.py"))
    names = installed.top_level() + installed.submodules("trapped")
    print(json.dumps([
        [*notebook.selection.taken, *(x.name for x in notebook.selection.later)],
        script.selection.taken,
        "trapped" in names and "inner" in names,
        list(notebook.remarks),
        sorted(set(sys.modules) - before),
    ]))
"""
TRAPPED = ("trapped", "numpy", "tomllib", "csv", "email", "difflib", "pulldom")


def test_nothing_of_the_working_directory_runs(
    here: Path, save: Callable[..., Path]
) -> None:
    """Whatever its name, it is not taken; nor is what is taken imported yet."""
    sprung = here / "sprung"
    trap = TRAP.format(str(sprung))
    (here / "trapped" / "inner").mkdir(parents=True)
    for name in (
        *TRAPPED,
        "trapped/__init__",
        "trapped/inner/__init__",
        "xml/__init__",
    ):
        path = here / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(trap)
    (here / "sklearn").mkdir()
    (here / "sklearn" / "planted.py").write_text(trap)
    (here / "script.py").write_text(f"import sklearn.ensemble\nimport trapped\n{trap}")
    project(here, "modules = ['trapped']")
    path = save(
        "import numpy, trapped.inner, xml.dom.minidom, tomllib, csv",
        "from trapped import inner\nfrom . import trapped\nimport script",
        "import pandas\nfrom sklearn.planted import x\n" + trap,
        "import trapped as numpy\nfrom sklearn import ensemble, planted",
    )
    output = subprocess.check_output(
        [sys.executable, "-P", "-c", textwrap.dedent(PROGRAM)],
        env=os.environ | session(path),
        cwd=here,
        text=True,
    )
    notebook, script, listed, remarks, imported = json.loads(output)
    assert not sprung.exists()
    # The others are left to the cells that import a trap first.
    assert notebook == ["pandas", "sklearn"]
    assert script == ["sklearn.ensemble"]
    assert listed
    assert ["tomllib.py" in remark for remark in remarks] == [True]
    assert not {name.partition(".")[0] for name in imported} & {
        *TRAPPED,
        "pandas",
        "sklearn",
        "script",
        "xml",
    }
