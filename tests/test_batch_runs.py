"""Notebooks that run from top to bottom without any frontend."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import nbclient
import nbformat
import papermill
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CELLS = [
    "%load_ext ipywarmup",
    "%warmup json nunpy",
    "%%warmup\nfrom xml.dom.minidom import parseString as parse",
    "%warmup wait",
    "print(parse('<a/>').documentElement.tagName)",
    "%warmup status",
]
HEADLINE = "Warmup done: 2 of 3 modules completed, 1 failed"


@pytest.fixture
def notebook(tmp_path: Path) -> Path:
    """Return a notebook that has not been run."""
    path = tmp_path / "notebook.ipynb"
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), path)
    return path


def run_with_nbclient(path: Path) -> Any:  # noqa: ANN401 - nbformat has no types
    """Run it as nbconvert does."""
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=120).execute()
    return notebook


def run_with_papermill(path: Path) -> Any:  # noqa: ANN401
    """Run it, and read what was written."""
    papermill.execute_notebook(path, path, progress_bar=False, log_output=False)
    return nbformat.read(path, as_version=4)


@pytest.mark.parametrize("run", [run_with_nbclient, run_with_papermill])
def test_outputs_are_durable(notebook: Path, run: Callable[[Path], Any]) -> None:
    """The panels are final tables, no widget is left, and no word of a wait."""
    cells = run(notebook).cells[-len(CELLS) :]
    for cell in (cells[1], cells[2]):
        said, panel = cell.outputs
        assert said["text"].startswith("Warming up in the background: ")
        assert HEADLINE in panel["data"]["text/html"]
        assert "application/vnd.jupyter.widget-view+json" not in panel["data"]
    assert [output["text"] for output in cells[4].outputs] == ["a\n"]
    assert HEADLINE in cells[5].outputs[0]["data"]["text/html"]


def test_html_of_an_executed_notebook_shows_the_tables(notebook: Path) -> None:
    """The panel is its final table, as is that of the status; no widget is left."""
    command = ["-m", "nbconvert", "--to=html", "--execute", str(notebook)]
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    page = html.unescape(notebook.with_suffix(".html").read_text("utf-8"))
    for output in ("ipywarmup-panel", "ipywarmup"):
        _, _, shown = page.partition(f'<div class="{output}">')
        table, _, _ = shown.partition("</table>")
        assert HEADLINE in table
        assert "✓ completed" in re.sub(r"<[^>]*>", "", table)
        assert "ModuleNotFoundError: No module named 'nunpy'" in table
    assert '<script type="application/vnd.jupyter.widget-view+json">' not in page
    assert "running" not in page.partition("ipywarmup-panel")[2]
