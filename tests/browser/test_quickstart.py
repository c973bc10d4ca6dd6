"""The quickstart notebook in JupyterLab, run, saved and opened again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.browser.conftest import Lab, Theme

pytestmark = pytest.mark.browser
QUICKSTART = Path(__file__).parents[2] / "notebooks" / "01-quickstart.ipynb"


def code_cells(lab: Lab) -> dict[int, str]:
    """Return the sources of the code cells, by their index."""
    return {
        index: "".join(cell["source"])
        for index, cell in enumerate(lab.saved()["cells"])
        if cell["cell_type"] == "code"
    }


def cell_with(lab: Lab, words: str) -> int:
    """Return the index of the first code cell that contains these words."""
    return next(index for index, source in code_cells(lab).items() if words in source)


def check_panel(lab: Lab) -> None:
    """Check that the panel is the final table, with each module of the line in it."""
    index = cell_with(lab, "%warmup numpy")
    names = code_cells(lab)[index].removeprefix("%warmup").split()
    panel = lab.output_locator(index).last
    lab.expect(panel).to_contain_text(
        f"Warmup done: {len(names)} of {len(names)} modules completed"
    )
    lab.expect(panel.locator("table")).to_be_visible()
    table = [
        row.locator("td").all_inner_texts() for row in panel.locator("tbody tr").all()
    ]
    assert [row[:2] for row in table] == [[name, "✓ completed"] for name in names]
    everything = lab.page.locator(".jp-Notebook").inner_text()
    assert "Error displaying widget" not in everything
    assert "model not found" not in everything
    assert "Loading widget" not in everything


def check_figure(lab: Lab) -> None:
    """Check that the inline figure is drawn."""
    figure = lab.output_locator(cell_with(lab, "plt.show()")).locator("img")
    lab.expect(figure).to_have_count(1)
    assert figure.evaluate("(img) => img.complete && img.naturalWidth > 300")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_quickstart_runs_and_shows_its_table_ever_after(lab: Lab, theme: Theme) -> None:
    """Every module ends as completed, the figure is there, and the saved notebook shows
    both in a fresh page, with a fresh kernel and without any.
    """
    lab.open(QUICKSTART)
    lab.set_theme(theme)
    lab.page.evaluate("window.jupyterapp.commands.execute('editmenu:clear-all')")
    lab.run_all()
    lab.wait_idle()
    panel = cell_with(lab, "%warmup numpy")
    lab.expect(lab.output_locator(panel).last).to_contain_text("Warmup done")
    for index in code_cells(lab):
        assert "error" not in {output["output_type"] for output in lab.bundles(index)}
    check_panel(lab)
    check_figure(lab)
    lab.screenshot(f"quickstart-panel-{theme}", panel)
    lab.screenshot(f"quickstart-status-{theme}", cell_with(lab, "%warmup status"))
    lab.cell_locator(0).scroll_into_view_if_needed()
    lab.screenshot(f"quickstart-{theme}")
    lab.save()

    lab.reopen()
    check_panel(lab)
    check_figure(lab)
    lab.screenshot(f"quickstart-reopened-{theme}")
    # Without a kernel, JupyterLab's widget manager logs an error for any notebook.
    assert lab.errors == []

    lab.reopen("none")
    assert not lab.has_kernel()
    check_panel(lab)
    check_figure(lab)
    lab.screenshot(f"quickstart-without-kernel-{theme}")
