"""nbconvert: an executed notebook as HTML, without any frontend."""

from __future__ import annotations

import html
import subprocess
import sys
from typing import TYPE_CHECKING

import nbformat

if TYPE_CHECKING:
    from pathlib import Path

CELLS = ["%load_ext ipywarmup", "%warmup json nunpy", "%warmup wait", "%warmup status"]


def test_html_of_an_executed_notebook_shows_the_tables(tmp_path: Path) -> None:
    """The panel is its final table, as is that of the status; no widget is left."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in CELLS]
    )
    path = tmp_path / "notebook.ipynb"
    nbformat.write(notebook, path)
    command = ["-m", "nbconvert", "--to=html", "--execute", str(path)]
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    page = html.unescape(path.with_suffix(".html").read_text("utf-8"))
    for output in ("ipywarmup-panel", "ipywarmup"):
        _, _, shown = page.partition(f'<div class="{output}">')
        table, _, _ = shown.partition("</table>")
        assert "Warmup done: 1 of 2 modules completed, 1 failed" in table
        assert "✓ completed" in table
        assert "ModuleNotFoundError: No module named 'nunpy'" in table
    assert '<script type="application/vnd.jupyter.widget-view+json">' not in page
    assert "running" not in page.partition("ipywarmup-panel")[2]
