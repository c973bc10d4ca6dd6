"""What the notebooks have stored; `pytest notebooks` runs them and compares."""

from __future__ import annotations

import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LONGEST = 60
"""Seconds that a cell may take."""


def code_cells(path: Path) -> list[dict[str, Any]]:
    """Return the cells of a notebook that run."""
    cells: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [cell for cell in cells if cell["cell_type"] == "code"]


def bundles(path: Path) -> list[dict[str, str]]:
    """Return what the cells of a notebook display, text joined."""
    return [
        {kind: "".join(data) for kind, data in output["data"].items()}
        for cell in code_cells(path)
        for output in cell["outputs"]
        if "data" in output
    ]


def test_there_are_six_notebooks() -> None:
    """They go from the first steps to a notebook that names nothing."""
    assert [path.stem for path in NOTEBOOKS] == [
        *("01-quickstart", "02-manager", "03-failures"),
        *("04-import-cell", "05-timeline-and-report", "06-whole-notebook"),
    ]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_was_run_from_top_to_bottom(path: Path) -> None:
    """Each cell has run once, in order, within its time, without an unmarked error."""
    cells = code_cells(path)
    counts = [cell["execution_count"] for cell in cells]
    assert counts == list(range(1, len(cells) + 1))
    for cell in cells:
        failed = "error" in {output["output_type"] for output in cell["outputs"]}
        assert not failed or "raises-exception" in cell["metadata"]["tags"]
        times = cell["metadata"]["execution"]
        begin, end = (
            datetime.fromisoformat(times[key])
            for key in ("iopub.execute_input", "shell.execute_reply")
        )
        assert (end - begin).total_seconds() < LONGEST


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_stores_no_live_widget(path: Path) -> None:
    """A page that opens it asks for no widget model, which would be gone."""
    assert "application/vnd.jupyter.widget" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "headlines"),
    [
        ("01-quickstart", ["Warmup done: 4 of 4 modules completed"]),
        ("04-import-cell", ["Warmup done: 4 of 4 modules completed"]),
        ("05-timeline-and-report", ["Warmup done: 3 of 3 modules completed"]),
        ("06-whole-notebook", ["Warmup done: 5 of 5 modules completed"]),
        (
            "03-failures",
            [
                "Warmup done: 2 of 5 modules completed, 3 failed",
                "Warmup done: 4 of 5 modules completed, 1 failed",
            ],
        ),
    ],
)
def test_stored_panels_show_the_end(name: str, headlines: list[str]) -> None:
    """Each panel is saved as it was when its warmup was done."""
    panels = [
        bundle["text/html"]
        for bundle in bundles(FOLDER / f"{name}.ipynb")
        if 'class="ipywarmup-panel"' in bundle.get("text/html", "")
    ]
    assert len(panels) == len(headlines)
    for panel, headline in zip(panels, headlines, strict=True):
        assert headline in panel
        assert not re.search(r"\b(queued|running)\b", panel)


def test_plot_of_the_quickstart_is_inline() -> None:
    """A matplotlib.pyplot that was warmed draws into the notebook as ever."""
    figures = [
        bundle["text/plain"]
        for bundle in bundles(FOLDER / "01-quickstart.ipynb")
        if "image/png" in bundle
    ]
    assert len(figures) == 1
    assert re.fullmatch(r"<Figure size \d+x\d+ with 1 Axes>", figures[0])
