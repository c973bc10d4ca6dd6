"""The panel in JupyterLab, while modules are imported and cells run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator

    from tests.browser.conftest import Lab, Theme
    from tests.conftest import Gate

pytestmark = pytest.mark.browser
THEMES: tuple[Theme, ...] = ("light", "dark")
LOAD = "%load_ext ipywarmup"

# A cell that keeps the main thread computing for as long as the warmup goes on.
COMPUTE = """
import ipywarmup
manager = ipywarmup.get_manager()
while not manager.is_done():
    total = sum(number * number for number in range(20_000))
"""


def bar(panel: Locator) -> Locator:
    """Return the part of a live panel's bar that has its colour."""
    return panel.locator(".progress-bar")


def live_widgets(panel: Locator) -> Locator:
    """Return the widgets of a panel, which are gone a moment after its end."""
    return panel.locator(".jupyter-widgets")


def percent(filled: int) -> re.Pattern[str]:
    """Return what the style of a bar says that is filled so far."""
    return re.compile(rf"width: {filled}(\.\d+)?%")


def headline(words: str) -> re.Pattern[str]:
    """Return what the text of an output begins with that has this headline."""
    return re.compile(rf"^\s*{words}(?!,)")


def panel_of(lab: Lab, index: int) -> Locator:
    """Return the panel below a cell, which is its last output."""
    return lab.output_locator(index).last


# What a panel shows is replaced whenever it is drawn. So each look at several elements
# is one look, and starts at the panel, which stays.
ROWS = """(output) => [...output.querySelectorAll('tbody tr')].map(
    (row) => [...row.cells].map((cell) => cell.innerText.trim())
)"""
NOTES = """(output) => Object.fromEntries(
    [...output.querySelectorAll('.ipywarmup-note')].map((note) => [
        note.previousSibling.querySelector('.ipywarmup-name').innerText,
        note.innerText.trim(),
    ])
)"""
WIDTH = "(output) => [output.clientWidth, output.scrollWidth - output.clientWidth]"
BOX = """(output, selector) => {
    const outer = output.getBoundingClientRect();
    const inner = output.querySelector(selector).getBoundingClientRect();
    return [inner.x - outer.x, inner.y - outer.y, inner.height];
}"""
SCROLLED = """(output, distance) => {
    let around = output.querySelector('table');
    while (getComputedStyle(around).overflowY !== 'auto') {
        around = around.parentElement;
    }
    around.scrollTop = distance ?? around.scrollTop;
    return around.scrollTop;
}"""


def rows(output: Locator) -> list[list[str]]:
    """Return the words of each row that an output shows, head excluded."""
    words: list[list[str]] = output.evaluate(ROWS)
    return words


def notes(output: Locator) -> dict[str, str]:
    """Return what is visible of the note below a row, by the module of the row."""
    words: dict[str, str] = output.evaluate(NOTES)
    return words


def width(output: Locator) -> tuple[int, int]:
    """Return how wide an output is, and how much wider what it holds."""
    pixels: tuple[int, int] = tuple(output.evaluate(WIDTH))
    return pixels


def box(output: Locator, selector: str) -> list[float]:
    """Return left, top and height of an element, relative to the output around it."""
    place: list[float] = output.evaluate(BOX, selector)
    return place


def scrolled(output: Locator, *, to: int | None = None) -> float:
    """Scroll the rows of an output, if told to, and return how far they are."""
    distance: float = output.evaluate(SCROLLED, to)
    return distance


@pytest.fixture
def gated(lab: Lab, new_gate: Callable[[], Gate]) -> Callable[..., list[Gate]]:
    """Return a function that writes modules which block on gates."""

    def write(*names: str) -> list[Gate]:
        gates = []
        for name in names:
            gates.append(new_gate())
            lab.write_module(name, gates[-1].source)
        return gates

    return write


def test_bar_moves_while_a_cell_computes(
    lab: Lab, gated: Callable[..., list[Gate]]
) -> None:
    """The bar grows with each module that ends, while the main thread is busy."""
    names = ["first", "second", "third", "fourth", "fifth"]
    gates = gated(*names)
    lab.open([LOAD, f"%warmup {' '.join(names)}", COMPUTE])
    lab.run_all()
    lab.wait_running(2)
    panel = panel_of(lab, 1)
    for ended, gate in enumerate(gates):
        gate.wait_until_reached()
        lab.expect(bar(panel)).to_have_attribute("style", percent(20 * ended))
        lab.expect(panel).to_contain_text(f"{ended} of 5 modules completed")
        assert lab.is_running()
        gate.open()
    lab.wait_idle()
    lab.expect(panel).to_contain_text("Warmup done: 5 of 5 modules completed")
    assert [row[0] for row in rows(panel)] == names
    assert {row[1] for row in rows(panel)} == {"✓ completed"}
    assert lab.errors == []


def test_a_line_shows_what_is_warmed_behind_a_long_cell(
    lab: Lab, gated: Callable[..., list[Gate]], new_gate: Callable[[], Gate]
) -> None:
    """All cells are run before the kernel is ready: the line of text does not wait for
    the long second cell, as the widgets do.
    """
    starting = new_gate()
    (gate,) = gated("slow")
    lab.write_kernel_startup(starting.source)
    lab.open([f"{LOAD}\n%warmup slow", COMPUTE], idle=False)
    starting.wait_until_reached()
    lab.run_all()
    starting.open()
    gate.wait_until_reached()
    lab.wait_running(1)
    line = lab.output_locator(0).first
    lab.expect(line).to_have_text(re.compile("Warming up in the background: slow"))
    assert lab.is_running()
    lab.screenshot("panel-behind-a-cell")
    gate.open()
    lab.wait_idle()
    lab.expect(panel_of(lab, 0)).to_contain_text("Warmup done: 1 of 1 module completed")
    assert lab.errors == []


def test_what_is_postponed_appears_below_its_cell(
    lab: Lab, gated: Callable[..., list[Gate]]
) -> None:
    """Named by the panel until it runs; text, values and errors, long after the end of
    the cell, and in the saved notebook, too.
    """
    (gate,) = gated("slow")
    cell = (
        "%%warmup\nimport slow\nimport pandas as pd\nprint(slow.__name__, 'is there')\n"
        "display(pd.DataFrame({'x': [1, 2]}))\nslow.nosuch"
    )
    lab.open([LOAD, cell, "1 + 1", "slow"])
    for number in range(3):
        lab.run_cell(number)
        lab.wait_idle()
    gate.wait_until_reached()
    output = lab.output_locator(1)
    lab.expect(panel_of(lab, 1)).to_contain_text("Postponed: print(")
    assert "is there" not in lab.outputs(1).replace("'is there'", "")
    assert "2" in lab.outputs(2)
    lab.screenshot("postponed")
    gate.open()
    lab.expect(output.last).to_contain_text("AttributeError")
    panel = output.filter(has_text="completed")
    lab.expect(panel).to_contain_text("Warmup done: 2 of 2")
    lab.expect(panel).not_to_contain_text("Postponed")
    assert "slow is there" in lab.outputs(1)
    lab.run_cell(3)
    lab.wait_idle()
    assert "AttributeError" in lab.outputs(3)
    lab.screenshot("postponed-done")
    lab.save()
    saved = str(lab.saved()["cells"][1]["outputs"])
    assert "slow is there" in saved
    assert "AttributeError" in saved
    assert lab.errors == []


def test_each_panel_follows_its_run(lab: Lab, gated: Callable[..., list[Gate]]) -> None:
    """Two lines share a run and show the same; a later run has a panel of its own."""
    one, _, other = gated("one", "two", "other")
    lines = [f"{LOAD}\n%warmup one", "%warmup two", "%warmup reset", "%warmup other"]
    lab.open(lines)
    for index in (0, 1):
        lab.run_cell(index)
        lab.wait_idle()
    one.wait_until_reached()
    joined = headline("Warmup: 0 of 2 modules completed, 1 running, 1 queued")
    for index in (0, 1):
        lab.expect(panel_of(lab, index)).to_have_text(joined)
    lab.screenshot("panels-of-one-run")
    for index in (2, 3):
        lab.run_cell(index)
        lab.wait_idle()
    cancelled = headline("Warmup done: 0 of 2 modules completed, 2 cancelled")
    for index in (0, 1):
        lab.expect(panel_of(lab, index)).to_have_text(cancelled)
    one.open()
    other.wait_until_reached()
    lab.expect(panel_of(lab, 3)).to_have_text(
        headline("Warmup: 0 of 1 module completed, 1 running")
    )
    other.open()
    lab.expect(panel_of(lab, 3)).to_have_text(
        headline("Warmup done: 1 of 1 module completed")
    )
    for index in (0, 1):
        lab.expect(panel_of(lab, index)).to_have_text(cancelled)
    lab.screenshot("panels-of-two-runs")
    assert lab.errors == []


ATTACK = "<img src=x onerror=window.attacked=1>"


def test_failures_explain_themselves_and_run_nothing(
    lab: Lab, gated: Callable[..., list[Gate]]
) -> None:
    """An error that carries markup shows as text in the live panel, at its end, in
    status and records, in both themes and in a notebook that is not trusted.
    """
    long = "the licence server is not reachable; " * 12 + "x" * 200
    lab.write_module("evil", f"print({ATTACK!r})\nraise ImportError({ATTACK!r})")
    lab.write_module("needs_a_licence", f"raise RuntimeError({long!r})")
    lab.write_module("quits", "import sys\nprint('good')\nprint('bye')\nsys.exit(3)")
    (gate,) = gated("last")
    warm = "%warmup json evil needs_a_licence nunpy quits last csv"
    lab.open([LOAD, warm, "%warmup status", "%warmup canaries"])
    lab.run_all()
    lab.wait_idle()
    gate.wait_until_reached()
    panel = panel_of(lab, 1)
    lab.expect(panel).to_contain_text("1 of 7 modules completed, 4 failed, 1 running")

    def check(output: Locator) -> None:
        told = notes(output)
        assert told["evil"].splitlines()[0] == f"ImportError: {ATTACK}"
        assert told["needs_a_licence"].startswith("RuntimeError: the licence server")
        assert "No module named 'nunpy'" in told["nunpy"]
        assert "did you mean 'numpy'?" in told["nunpy"]
        error, unfolds = told["quits"].splitlines()
        assert error == "SystemExit: 3"
        assert unfolds.endswith("printed 2 lines")
        assert output.locator("img").count() == 0
        assert width(output)[1] == 0
        assert lab.page.evaluate("window.attacked") is None

    check(panel)
    for theme in THEMES:
        lab.set_theme(theme)
        lab.screenshot(f"failures-live-{theme}", 1)
    gate.open()
    lab.expect(panel).to_have_text(
        headline("Warmup done: 3 of 7 modules completed, 4 failed")
    )
    lab.run_cell(2)
    lab.run_cell(3)
    lab.wait_idle()
    lab.expect(live_widgets(panel)).to_have_count(0)
    unfolds = panel.get_by_text("traceback, printed 2 lines")
    unfolds.click()
    lab.expect(panel.get_by_text("good\nbye")).to_be_visible()
    lab.expect(panel.get_by_text("sys.exit(3)")).to_be_visible()
    for theme in THEMES:
        lab.set_theme(theme)
        lab.screenshot(f"failures-unfolded-{theme}", 1)
    unfolds.click()
    for theme in THEMES:
        lab.set_theme(theme)
        for index, name in ((1, "panel"), (2, "status"), (3, "canaries")):
            check(panel_of(lab, index))
            lab.screenshot(f"failures-{name}-{theme}", index)
    lab.save()
    lab.reopen(trusted=False)
    for theme in THEMES:
        lab.set_theme(theme)
        check(panel_of(lab, 1))
        lab.screenshot(f"failures-untrusted-{theme}", 1)
    assert lab.errors == []


def test_nothing_moves_when_html_takes_the_place_of_the_widgets(
    lab: Lab, gated: Callable[..., list[Gate]]
) -> None:
    """Headline, bar and rows of a panel stand where they stood during the warmup, once
    there was something to tell below the headline, with the same text beside them.
    """
    first, last = gated("first", "last")
    lab.open([LOAD, "%warmup first last"])
    lab.run_all()
    lab.wait_idle()
    first.wait_until_reached()
    panel = panel_of(lab, 1)
    first.open()
    last.wait_until_reached()
    lab.expect(bar(panel)).to_have_attribute("style", percent(50))
    lab.expect(panel).to_contain_text("of waiting; longest stall of other threads")

    def places(bar: str) -> list[float]:
        selectors = (bar, "table", "th:nth-child(2)", "td:nth-child(4)")
        return [place for selector in selectors for place in box(panel, selector)]

    live = places(".progress")
    lab.screenshot("panel-live", 1)
    last.open()
    lab.expect(panel).to_contain_text("Warmup done: 2 of 2 modules completed")
    lab.expect(live_widgets(panel)).to_have_count(0)
    lab.screenshot("panel-end", 1)
    assert places("[role=progressbar]") == pytest.approx(live, abs=1)


def test_a_panel_fits_a_narrow_column(
    lab: Lab, gated: Callable[..., list[Gate]]
) -> None:
    """In 400 pixels every row still has its name, mark, bar and time, live and at its
    end; a word that has no room is still read aloud. Without trust the rows scroll.
    """
    lab.write_module("needs_a_licence", "raise RuntimeError('no licence')")
    (gate,) = gated("slow")
    names = ["json", "a_package_with_a_rather_long_name.and_a_module", "slow"]
    for name in names[1:2]:
        lab.write_module(name)
    lab.open([LOAD, f"%warmup needs_a_licence {' '.join(names)}"])
    lab.page.set_viewport_size({"width": 530, "height": 760})
    lab.run_all()
    gate.wait_until_reached()
    lab.wait_idle()
    panel = panel_of(lab, 1)
    lab.expect(panel).to_contain_text("2 of 4 modules completed, 1 failed, 1 running")

    def check() -> None:
        across, beyond = width(panel)
        assert across <= 400
        assert beyond == 0
        word = panel.locator("td .ipywarmup-word").first
        assert word.text_content() == " failed"
        for part in (".ipywarmup-name", ".ipywarmup-track", "td:nth-child(4)"):
            right = panel.locator(f"tbody tr {part}").last.evaluate(
                "(part) => part.clientWidth > 30 && part.getBoundingClientRect().right"
            )
            assert 0 < right <= 530

    check()
    for theme in THEMES:
        lab.set_theme(theme)
        lab.screenshot(f"narrow-live-{theme}", 1)
    gate.open()
    lab.expect(panel).to_contain_text("Warmup done: 3 of 4 modules completed")
    lab.expect(live_widgets(panel)).to_have_count(0)
    check()
    lab.screenshot("narrow-end", 1)
    lab.save()
    lab.reopen(trusted=False)
    lab.page.set_viewport_size({"width": 530, "height": 760})
    assert width(panel_of(lab, 1))[1] == 0
    assert [row[1] for row in rows(panel_of(lab, 1)) if row[1:]] == [
        *("✗ failed", "✓ completed", "✓ completed", "✓ completed"),
    ]
    lab.screenshot("narrow-untrusted", 1)
    assert lab.errors == []


def test_a_thousand_modules_are_readable(
    lab: Lab, gated: Callable[..., list[Gate]]
) -> None:
    """The rows scroll under a head that stays, keep their place when they are drawn
    anew, and leave the page free for work.
    """
    names = [f"many.module{number:03}" for number in range(1000)]
    for name in names:
        lab.write_module(name)
    half, almost = gated(names[500], names[600])
    lab.write_module("many_names", f"line = {' '.join(names)!r}")
    load = f"{LOAD}\nfrom many_names import line"
    lab.open([load, "%warmup $line", "%warmup status", ""])
    lab.run_cell(0)
    lab.run_cell(1)
    half.wait_until_reached()
    panel = panel_of(lab, 1)
    lab.expect(panel).to_contain_text("500 of 1000 modules completed, 1 running")
    lab.expect(panel.locator("tbody tr")).to_have_count(100)
    lab.expect(panel).to_contain_text("… and 900 modules more: 401 completed, 499 que")
    for theme in THEMES:
        lab.set_theme(theme)
        lab.screenshot(f"thousand-live-{theme}", 1)

    def scroll_to_end(output: Locator) -> float:
        """Scroll the rows, look at what is on top and below, and return how far."""
        output.scroll_into_view_if_needed()
        distance = scrolled(output, to=100_000)
        lab.expect(output.locator("tbody tr").last).to_be_in_viewport(ratio=1)
        lab.expect(output.locator("th").first).to_be_in_viewport(ratio=0.9)
        lab.expect(output.get_by_text("modules more")).to_be_in_viewport(ratio=0.9)
        return distance

    before = scroll_to_end(panel)
    assert before > 0
    half.open()
    almost.wait_until_reached()
    lab.expect(panel).to_contain_text("600 of 1000 modules completed, 1 running")
    lab.expect(panel.locator("tbody tr").last).to_contain_text("many.module600")
    assert scrolled(panel) == before
    editor = lab.cell_locator(3).locator(".cm-content")
    editor.click()
    lab.page.keyboard.type("work = 'goes on'")
    lab.expect(editor).to_have_text("work = 'goes on'")
    almost.open()
    lab.expect(panel).to_contain_text("Warmup done: 1000 of 1000 modules completed")
    lab.expect(panel.locator("tbody tr")).to_have_count(100)
    lab.run_cell(2)
    lab.wait_idle()
    assert scroll_to_end(panel_of(lab, 2)) > 0
    for theme in THEMES:
        lab.set_theme(theme)
        lab.screenshot(f"thousand-status-{theme}", 2)
    assert lab.errors == []


def test_a_page_reloaded_meanwhile_goes_on(
    lab: Lab, gated: Callable[..., list[Gate]]
) -> None:
    """A tab that is reloaded in the middle of a warmup shows it to its end."""
    gates = gated("first", "second", "third")
    lab.open([LOAD, "%warmup first second third"])
    lab.run_all()
    lab.wait_idle()
    gates[0].wait_until_reached()
    gates[0].open()
    gates[1].wait_until_reached()
    lab.expect(bar(panel_of(lab, 1))).to_have_attribute("style", percent(33))
    lab.save()
    lab.reopen("kept")
    panel = panel_of(lab, 1)
    lab.expect(panel).to_contain_text("1 of 3 modules completed, 1 running, 1 queued")
    lab.expect(bar(panel)).to_have_attribute("style", percent(33))
    lab.screenshot("panel-reloaded", 1)
    gates[1].open()
    gates[2].wait_until_reached()
    lab.expect(bar(panel)).to_have_attribute("style", percent(66))
    gates[2].open()
    lab.expect(panel).to_contain_text("Warmup done: 3 of 3 modules completed")
    lab.expect(panel).not_to_contain_text("Error displaying widget")
    lab.screenshot("panel-reloaded-end", 1)
    assert lab.errors == []
