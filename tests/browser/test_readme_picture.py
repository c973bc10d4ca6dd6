"""The README's screenshot: cells run on below the panel of a warmup half done."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.conftest import Lab
    from tests.conftest import Gate

pytestmark = pytest.mark.browser

WORK = """\
# No need to wait: work that needs none of them goes on meanwhile.
import csv

with open("load.csv") as file:
    load = [float(row["load"]) for row in csv.DictReader(file)]
print(f"{len(load)} measurements, the highest {max(load):.2f}")"""
CELLS = [
    "%load_ext ipywarmup",
    "%warmup numpy pandas sklearn.ensemble matplotlib.pyplot scipy.stats",
    WORK,
    "from simulation import simulate\n\nyear = simulate(load, days=365)",
    "from sklearn.ensemble import RandomForestRegressor  # warm by then",
]
# The import of one of the modules is held up, for as long as the pictures take.
HOLD_UP = """
import sys

class HoldUp:
    def find_spec(self, name, path=None, target=None):
        if name == "sklearn.ensemble":
            hold_up()

def hold_up():
{gate}

sys.meta_path.insert(0, HoldUp())
"""
SIMULATION = """
def simulate(load, days):
{gate}
"""
LARGEST = 150_000
"""Bytes of a picture, which everybody loads who looks at the README."""


def test_readme_shows_a_warmup_half_done(
    lab: Lab, new_gate: Callable[[], Gate]
) -> None:
    """A picture in each theme: two modules are warm, one is under way, and the cells
    below have run or are running; afterwards everything ends well.
    """
    gate, work = new_gate(), new_gate()
    lab.write_kernel_startup(HOLD_UP.format(gate=textwrap.indent(gate.source, "    ")))
    simulation = SIMULATION.format(gate=textwrap.indent(work.source, "    "))
    lab.write_module("simulation", simulation)
    numbers = [f"{3 + (hour % 24) / 10:.2f}" for hour in range(2000)]
    lab.folder.joinpath("load.csv").write_text("\n".join(["load", *numbers]), "utf-8")
    lab.open(CELLS)
    lab.run_all()
    gate.wait_until_reached()
    work.wait_until_reached()
    lab.wait_running(3)
    panel = lab.output_locator(1).last
    lab.expect(panel).to_contain_text("2 of 5 modules completed, 1 running, 2 queued")
    assert "2000 measurements, the highest 5.30" in lab.outputs(2)
    for name in ("panel", "panel-dark"):
        lab.set_theme("dark" if name.endswith("dark") else "light")
        lab.cell_locator(0).scroll_into_view_if_needed()
        assert lab.is_running()
        picture = lab.screenshot(name, readme=True)
        # Text and a few colours: a palette does, and takes a third of the bytes.
        Image.open(picture).convert("RGB").quantize(128).save(picture, optimize=True)
        assert picture.stat().st_size < LARGEST
    gate.open()
    work.open()
    lab.wait_idle()
    lab.expect(panel).to_contain_text("Warmup done: 5 of 5 modules completed")
    assert lab.errors == []
