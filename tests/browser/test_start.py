"""A kernel that JupyterLab starts, and that warms up by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ipywarmup import profiles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.browser.conftest import Lab

pytestmark = pytest.mark.browser


@pytest.fixture
def enabled(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Enable the start for the kernels of this test."""
    monkeypatch.setenv("IPYTHONDIR", str(lab.server.log.parent / "ipython"))
    start_up = profiles.find()
    start_up.enable()
    yield
    start_up.disable()


@pytest.mark.usefixtures("enabled")
def test_imports_of_the_notebook_are_warm_before_any_cell_runs(lab: Lab) -> None:
    """The server tells the kernel its notebook; the first cell that runs finds the
    modules there, and no other cell shows anything.
    """
    lab.open(["import pandas as pd\nimport wave", "%warmup wait", "%warmup status"])
    lab.run_cell(1)
    lab.wait_idle()
    lab.run_cell(2)
    lab.wait_idle()
    assert "Warmup done: 2 of 2 modules completed" in lab.outputs(1)
    names = lab.output_locator(2).locator(".ipywarmup-name").all_inner_texts()
    assert names == ["pandas", "wave"]
    assert lab.outputs(0) == ""
    lab.screenshot("started-without-a-cell")
    lab.run_cell(0)
    lab.wait_idle()
    assert lab.outputs(0) == ""
    assert lab.errors == []


def test_what_waits_for_a_cell_is_named_and_starts_once_that_has_run(lab: Lab) -> None:
    """The panel and the status say which cell; the import then sees what that set."""
    lab.open(
        [
            "import os\nos.environ['POLARS_MAX_THREADS'] = '1'",
            "import polars as pl\npl.thread_pool_size()",
            "%load_ext ipywarmup\n%warmup notebook",
            "%warmup status",
            "%warmup wait",
        ]
    )
    why = "After cell 1 (os.environ['POLARS_MAX_THREADS']): polars"
    for number in 2, 3:
        lab.run_cell(number)
        lab.wait_idle()
        assert why in lab.outputs(number)
    lab.screenshot("waits-for-a-cell")
    for number in 0, 4, 3:
        lab.run_cell(number)
        lab.wait_idle()
    assert "Warmup done: 1 of 1 module completed" in lab.outputs(3)
    assert why not in lab.outputs(3)
    lab.screenshot("went-on-after-a-cell")
    lab.run_cell(1)
    lab.wait_idle()
    assert lab.outputs(1) == "1"
    assert lab.errors == []
