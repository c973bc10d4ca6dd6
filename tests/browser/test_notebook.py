"""The panel in Notebook 7, from a busy cell to the saved file that is opened again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.conftest import NOTEBOOK
from tests.browser.test_panel import (
    COMPUTE,
    LOAD,
    bar,
    live_widgets,
    panel_of,
    percent,
    rows,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.conftest import Lab
    from tests.conftest import Gate

pytestmark = [
    pytest.mark.browser,
    pytest.mark.parametrize("lab", [NOTEBOOK], indirect=True, ids=["notebook"]),
]


def test_panel_lives_through_a_busy_cell_and_outlives_the_page(
    lab: Lab, new_gate: Callable[[], Gate]
) -> None:
    """It moves while the main thread computes, ends as HTML, and is in the file."""
    gates = [new_gate(), new_gate()]
    for name, gate in zip(("first", "second"), gates, strict=True):
        lab.write_module(name, gate.source)
    lab.open([f"{LOAD}\n%warmup first second", COMPUTE])
    lab.run_all()
    lab.wait_running(1)
    panel = panel_of(lab, 0)
    for ended, gate in enumerate(gates):
        gate.wait_until_reached()
        lab.expect(bar(panel)).to_have_attribute("style", percent(50 * ended))
        lab.expect(panel).to_contain_text(f"{ended} of 2 modules completed")
        assert lab.is_running()
        if ended:
            lab.screenshot("notebook-7-busy")
        gate.open()
    lab.wait_idle()
    lab.expect(live_widgets(panel)).to_have_count(0)
    lab.expect(panel).to_contain_text("Warmup done: 2 of 2 modules completed")
    lab.screenshot("notebook-7-done")
    shown = rows(panel)
    assert [row[:2] for row in shown] == [
        ["first", "✓ completed"],
        ["second", "✓ completed"],
    ]
    lab.save()
    lab.reopen()
    panel = panel_of(lab, 0)
    lab.expect(panel).to_contain_text("Warmup done: 2 of 2 modules completed")
    assert rows(panel) == shown
    assert lab.errors == []


def test_notebook_knows_its_own_file(lab: Lab) -> None:
    """`%warmup notebook` finds the file that the page shows, as it was last saved."""
    lab.open([f"{LOAD}\n%warmup notebook --wait", "import sched"])
    lab.run_cell(0)
    lab.wait_idle()
    said = lab.output_locator(0).first
    lab.expect(said).to_contain_text("From notebook.ipynb: sched")
    lab.expect(panel_of(lab, 0)).to_contain_text("Warmup done: 1 of 1 module completed")
    assert lab.errors == []
