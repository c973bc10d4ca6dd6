"""The picture of %warmup report in JupyterLab."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PIL import Image

if TYPE_CHECKING:
    from playwright.sync_api import Locator

    from tests.browser.conftest import Lab

pytestmark = pytest.mark.browser
CELLS = [
    "%load_ext ipywarmup\n%warmup sklearn.ensemble matplotlib.pyplot --wait --quiet",
    "%warmup report",
    "%warmup report sklearn.utils",
]
BEYOND = "(output) => output.scrollWidth - output.clientWidth"
# How far each name is beyond its box, where the browser has drawn it.
LABELS = """(output) => [...output.querySelectorAll('svg text')].map((text) => {
    const box = text.parentElement.getBoundingClientRect();
    const label = text.getBoundingClientRect();
    return [label.left - box.left, label.top - box.top, box.bottom - label.bottom];
})"""


def check(lab: Lab, output: Locator) -> None:
    """Check that there are boxes with readable names, and nothing beyond the cell."""
    lab.expect(output.locator("svg[role=img]")).to_be_visible()
    assert output.locator("svg rect").count() > 20
    assert output.evaluate(BEYOND) == 0
    labels = output.evaluate(LABELS)
    assert len(labels) > 5
    for label in labels:
        assert min(label) >= -1


def test_report_is_a_picture_that_stays(lab: Lab) -> None:
    """In both themes, in a narrow column, and after saving and opening again; without
    trust there are words in its place.
    """
    lab.open(CELLS)
    lab.run_all()
    lab.wait_idle()
    for theme in ("light", "dark"):
        lab.set_theme(theme)
        for index in (1, 2):
            check(lab, lab.output_locator(index).last)
            lab.screenshot(f"report-{index}-{theme}", index)
    lab.set_theme("light")
    picture = lab.screenshot("report", 1, readme=True)
    Image.open(picture).convert("RGB").quantize(128).save(picture, optimize=True)
    lab.set_theme("dark")
    words = lab.output_locator(1).last.get_by_text("The tree, in words")
    words.click()
    lab.expect(
        lab.output_locator(1).last.get_by_text("modules in").last
    ).to_be_visible()
    lab.screenshot("report-in-words", 1)
    lab.page.set_viewport_size({"width": 530, "height": 760})
    check(lab, lab.output_locator(1).last)
    lab.screenshot("report-narrow", 1)
    lab.save()
    lab.reopen()
    check(lab, lab.output_locator(1).last)
    lab.screenshot("report-reopened", 1)
    lab.reopen(trusted=False)
    output = lab.output_locator(1).last
    lab.expect(output).to_contain_text("sklearn.ensemble")
    lab.expect(output).to_contain_text("Most of it: ")
    assert output.bounding_box()["height"] < 150  # type: ignore[index]
    lab.screenshot("report-untrusted", 1)
    assert lab.errors == []
