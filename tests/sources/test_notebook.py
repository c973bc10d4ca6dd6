"""Notebooks and scripts are read for their imports, and never run."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest
from nbformat import v4

from ipywarmup.sources.files import SourceError
from ipywarmup.sources.imports import Import
from ipywarmup.sources.notebook import read_notebook
from ipywarmup.sources.script import read_script

if TYPE_CHECKING:
    from collections.abc import Callable

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"


def refusal(read: Callable[[Path], object], path: Path) -> str:
    """Return what is said of a file that cannot be read: one line that names it."""
    with pytest.raises(SourceError) as caught:
        read(path)
    message = str(caught.value)
    assert "\n" not in message
    assert repr(str(path)) in message
    assert ";" in message
    return message


def test_imports_come_in_the_order_of_the_cells(save: Callable[..., Path]) -> None:
    """Each import has its line and its cell; magics and shell lines do not matter."""
    path = save(
        "%matplotlib inline\nimport numpy as np",
        "x = 1",
        "!pip install pandas\ntry:\n    import nosuch\nexcept ImportError:\n    pass",
        "%%time\nfrom sklearn import ensemble",
    )
    notebook = read_notebook(path)
    assert notebook.path == path
    assert notebook.unreadable == ()
    assert notebook.imports == (
        Import("numpy", 2, cell=1),
        Import("nosuch", 3, optional=True, cell=3),
        Import("sklearn.ensemble", 2, cell=4),
    )


def test_a_notebook_that_jupyter_wrote_is_read(here: Path) -> None:
    """Of a file by nbformat, with lists of lines, code counts and prose does not."""
    made = v4.new_notebook(
        metadata={"language_info": {"name": "python"}},
        cells=[
            v4.new_markdown_cell("import csv"),
            v4.new_raw_cell("import csv"),
            v4.new_code_cell("# über\nimport json\nimport numpy\n"),
        ],
    )
    nbformat.write(made, here / "made.ipynb")
    notebook = read_notebook(here / "made.ipynb")
    assert [one.module for one in notebook.imports] == ["json", "numpy"]
    assert [one.cell for one in notebook.imports] == [3, 3]


def test_our_own_notebooks_are_read() -> None:
    """Every notebook of the project is readable, the quickstart as one expects."""
    read = {path.name: read_notebook(path) for path in NOTEBOOKS.glob("*.ipynb")}
    assert all(not notebook.unreadable for notebook in read.values())
    names = {one.module for one in read["01-quickstart.ipynb"].imports}
    assert {"numpy", "pandas", "sklearn.ensemble", "matplotlib.pyplot"} <= names


def test_cells_that_are_no_python_are_passed_over(save: Callable[..., Path]) -> None:
    """They are named by number; the others count, and so do those of magics alone."""
    path = save(
        "import json",
        "import = 1",
        "%load_ext x\n!ls\n%warmup",
        "import csv\n" + "(" * 500,
        "import io\n\0",
        "x = = 1",
        "import csv\nif x:\n  pass\n" + "elif x:\n  pass\n" * 3000,
        "import io",
    )
    notebook = read_notebook(path)
    assert [one.module for one in notebook.imports] == ["json", "io"]
    assert notebook.unreadable == (2, 4, 5, 7)


def test_cells_of_other_languages_are_passed_over(save: Callable[..., Path]) -> None:
    """Bodies of other interpreters, by magic or by what VS Code notes, do not count."""
    bodies = [f"%%{name}\nimport csv" for name in ("bash", "html", "writefile x.py")]
    path = save(*bodies, "import json")
    content = json.loads(path.read_text())
    noted = {"cell_type": "code", "source": "import csv"}
    content["cells"].append({**noted, "metadata": {"vscode": {"languageId": "sql"}}})
    content["cells"].append({**noted, "metadata": {"vscode": {"languageId": "python"}}})
    path.write_text(json.dumps(content))
    notebook = read_notebook(path)
    assert [one.module for one in notebook.imports] == ["json", "csv"]
    assert notebook.unreadable == ()


@pytest.mark.parametrize(
    "cell",
    [
        1,
        None,
        "import json",
        {"cell_type": "code"},
        {"cell_type": "code", "source": [1]},
    ],
)
def test_a_malformed_cell_costs_itself(save: Callable[..., Path], cell: object) -> None:
    """What is no cell is named by its number, and the next one is read."""
    path = save()
    content = json.loads(path.read_text())
    content["cells"] = [cell, {"cell_type": "code", "source": "import json"}]
    path.write_text(json.dumps(content))
    notebook = read_notebook(path)
    assert [one.module for one in notebook.imports] == ["json"]
    assert notebook.unreadable == (1,)


@pytest.mark.parametrize(
    ("metadata", "readable"),
    [
        ({}, True),
        (None, True),
        ({"kernelspec": 1, "language_info": []}, True),
        ({"language_info": {"name": "ipython"}}, True),
        (
            {"kernelspec": {"language": "sage"}, "language_info": {"name": "python"}},
            True,
        ),
        ({"kernelspec": {"language": "R"}}, False),
        ({"language_info": {"name": "julia"}}, False),
    ],
)
def test_notebooks_of_other_kernels_are_refused(
    save: Callable[..., Path],
    metadata: object,
    readable: bool,  # noqa: FBT001
) -> None:
    """The language is named; a notebook that does not tell is one for Python."""
    path = save("import json", metadata=metadata)
    if readable:
        assert read_notebook(path).imports
    else:
        assert "notebook for" in refusal(read_notebook, path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty; save"),
        (b" \n", "is empty; save"),
        (b"import json\n", "not JSON in line 1; name an .ipynb"),
        (b'{"cells": [', "not JSON in line 1"),
        (b"[" * 100_000, "not JSON"),
        (b'{"cells": "\xff"}', "not UTF-8; save it again"),
        (b"[]", "JSON, but without cells; name"),
        (b'{"nbformat": 4}', "JSON, but without cells; name"),
        (b'{"cells": []}', "JSON, but without cells; name"),
        (
            b'{"nbformat": 3, "worksheets": []}',
            "format 3, and only 4 can be read; open",
        ),
        (b'{"nbformat": 5, "cells": []}', "format 5, and only 4 can be read; open"),
    ],
)
def test_what_is_no_notebook_is_refused(here: Path, content: bytes, says: str) -> None:
    """The message says what is wrong with the file and what to do."""
    path = here / "wrong.ipynb"
    path.write_bytes(content)
    assert says in refusal(read_notebook, path)


def test_a_byte_order_mark_is_no_hindrance(save: Callable[..., Path]) -> None:
    """Some editors of Windows write one."""
    path = save("import json")
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_notebook(path).imports


@pytest.mark.parametrize("read", [read_notebook, read_script])
def test_what_cannot_be_read_at_all_is_refused(
    here: Path, read: Callable[[Path], object]
) -> None:
    """Missing files, folders, pipes and names that no file can have."""
    assert "there is no" in refusal(read, here / "nosuch.ipynb")
    assert "there is no" in refusal(read, Path("nosuch"))
    assert "is a folder; name a file" in refusal(read, here)
    os.mkfifo(here / "pipe")
    assert "is no regular file" in refusal(read, here / "pipe")
    assert "cannot be read" in refusal(read, Path("x" * 300))
    with pytest.raises(SourceError, match="cannot be read"):
        read(Path("nul\0"))


def test_a_large_notebook_is_not_read(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of 50 MB is refused by its size, without a look into it."""
    path = here / "large.ipynb"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    monkeypatch.setattr(Path, "read_bytes", lambda _: pytest.fail("read"))
    message = refusal(read_notebook, path)
    assert "has 50 MB, more than the 32 MB that are read; clear its outputs" in message


def test_a_script_is_read(here: Path) -> None:
    """In its encoding, IPython's syntax included."""
    path = here / "script.py"
    path.write_bytes("# coding: latin-1\nx = 'ä'\nimport json".encode("latin-1"))
    assert read_script(path).imports == [Import("json", 3)]
    path.write_bytes(b"\xef\xbb\xbfimport json\r\n# %%\n!ls\r\nimport csv\r\n")
    assert read_script(path).imports == [Import("json", 1), Import("csv", 4)]
    path.write_bytes(b"")
    assert read_script(path).imports == []


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"import json\nx = = 1", "line 2 of "),
        (b"# coding: nosuch\n", "unknown encoding"),
        (b"# \xff\n", "is not Python"),
        (b"x = '\xff'\n" * 5, "is not Python"),
        (b"\n\n\nx = '\xff'\n", "is not utf-8; name its encoding in the first line"),
        (b"# coding: base64\nx", "is not Python"),
        (b"x = 1\0", "is not Python"),
        (b"x = " + b"(" * 500, "is not Python (too many nested parentheses)"),
        pytest.param(
            b"x = " + b"-" * 100_000 + b"1",
            "is nested too deeply to be read",
            id="minus",
        ),
        pytest.param(
            b"x = " + b"1 + " * 100_000 + b"1",
            "is nested too deeply to be read",
            id="plus",
        ),
    ],
)
def test_what_is_no_script_is_refused(here: Path, content: bytes, says: str) -> None:
    """The message says what is wrong with the file and what to do."""
    path = here / "script.py"
    path.write_bytes(content)
    assert says in refusal(read_script, path)


def test_each_kind_of_file_points_to_the_way_of_the_other(
    here: Path, save: Callable[..., Path]
) -> None:
    """A script that is taken for a notebook, and the other way round."""
    (here / "script.py").write_text("import json")
    message = refusal(read_notebook, here / "script.py")
    assert message.endswith("for a script, write %warmup file script.py")
    message = refusal(read_script, save("import json"))
    assert message.endswith("is a notebook; write %warmup notebook analysis.ipynb")
