"""WidgetPanel: what its widgets hold, and what takes their place in the end."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import pytest

from ipywarmup.panel import widget
from ipywarmup.panel.widget import WidgetPanel
from tests.panel.conftest import IN_WORDS, SAVED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ipywarmup.canary import Canary
    from ipywarmup.run import Run, Totals
    from tests.panel.conftest import Document, Records, ScriptedManager

WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


@dataclasses.dataclass
class Shown:
    """One call of `display`."""

    bundle: dict[str, Any]
    display_id: str
    update: bool


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[Shown]:
    """Note down what is displayed, in place of a frontend."""
    calls: list[Shown] = []

    def display(
        bundle: dict[str, Any], *, raw: bool, display_id: str, update: bool = False
    ) -> None:
        assert raw
        calls.append(Shown(bundle, display_id, update))

    monkeypatch.setattr(widget, "display", display)
    return calls


@pytest.fixture
def new_panel(
    manager: ScriptedManager, shown: list[Shown]
) -> Iterator[Callable[..., WidgetPanel]]:
    """Return a function that makes a panel of records; all are closed in the end."""
    del shown
    panels: list[WidgetPanel] = []

    def make(*canaries: Canary) -> WidgetPanel:
        manager.records = list(canaries)
        panels.append(WidgetPanel(manager, manager.run))
        return panels[-1]

    yield make
    for panel in panels:
        panel.close()


def test_bar_shows_how_many_have_ended(
    new_panel: Callable[..., WidgetPanel], manager: ScriptedManager, records: Records
) -> None:
    """Value and maximum count modules; the colour says how it goes."""
    panel = new_panel(records.queued("a"), records.queued("b"))
    assert (panel.bar.value, panel.bar.max, panel.bar.bar_style) == (0, 2, "")
    manager.records = [records.completed("a"), records.running("b")]
    assert panel.draw() is False
    assert (panel.bar.value, panel.bar.max, panel.bar.bar_style) == (1, 2, "")
    manager.records = [records.completed("a"), records.completed("b")]
    assert panel.draw() is True
    assert (panel.bar.value, panel.bar.max, panel.bar.bar_style) == (2, 2, "success")


def test_a_failure_shows_in_the_bar_while_others_go_on(
    new_panel: Callable[..., WidgetPanel], records: Records
) -> None:
    """One failed module colours the bar before the run has ended."""
    panel = new_panel(records.failed("a"), records.running("b"))
    assert (panel.bar.value, panel.bar.bar_style) == (1, "danger")


def test_a_run_that_was_cancelled_does_not_look_like_success(
    new_panel: Callable[..., WidgetPanel], manager: ScriptedManager, records: Records
) -> None:
    """The bar is full, in a colour of its own."""
    panel = new_panel(records.cancelled("a"), records.running("b"))
    assert (panel.bar.value, panel.bar.bar_style) == (1, "")
    manager.records[1] = records.completed("b")
    panel.draw()
    assert (panel.bar.value, panel.bar.bar_style) == (2, "warning")


def test_modules_added_make_the_bar_longer(
    new_panel: Callable[..., WidgetPanel], manager: ScriptedManager, records: Records
) -> None:
    """A run that is extended has more to do than when its panel was shown."""
    panel = new_panel(records.completed("a"), records.queued("b"))
    manager.records += [records.queued("c")]
    panel.draw()
    assert (panel.bar.value, panel.bar.max) == (1, 3)


def test_a_run_without_modules_is_done(
    new_panel: Callable[..., WidgetPanel],
) -> None:
    """A bar of nothing is full, not empty."""
    panel = new_panel()
    assert (panel.bar.value, panel.bar.max, panel.bar.bar_style) == (1, 1, "success")
    assert panel.draw() is True


def test_headline_and_rows_are_those_of_the_table(
    new_panel: Callable[..., WidgetPanel],
    manager: ScriptedManager,
    records: Records,
    parse_html: type[Document],
) -> None:
    """The widgets around the bar hold the same rows as every other view."""
    panel = new_panel(records.completed("numpy"), records.running("torch"))
    headline = "Warmup: 1 of 2 modules completed, 1 running"
    assert parse_html(panel.headline.value).text == headline
    rows = parse_html(panel.rows.value).rows
    assert [row[0] for row in rows] == ["module", "numpy", "torch"]
    manager.records[1] = records.failed("torch", "OSError: libcuda")
    panel.draw()
    rows = parse_html(panel.rows.value).rows
    assert rows[3] == ["OSError: libcuda"]
    assert panel.box.children == (panel.headline, panel.bar, panel.rows)


def test_markup_in_a_record_shows_as_text(
    new_panel: Callable[..., WidgetPanel],
    records: Records,
    parse_html: type[Document],
    shown: list[Shown],
) -> None:
    """An error that carries markup adds no element, live or saved."""
    attack = "ImportError: <img src=x onerror=alert(1)>"
    panel = new_panel(records.failed("evil", attack, hint=attack, output=attack))
    panel.show()
    panel.draw()
    live = (panel.rows.value, 2)  # without the output, which would not stay unfolded
    saved = [(call.bundle["text/html"], 3) for call in shown]
    for source, times in (live, *saved):
        document = parse_html(source)
        assert "img" not in document.tags
        assert document.text.count("<img src=x onerror=alert(1)>") == times


def test_a_panel_is_shown_as_a_widget_with_its_rows_beside_it(
    new_panel: Callable[..., WidgetPanel], records: Records, shown: list[Shown]
) -> None:
    """A frontend without widgets finds HTML or text in the same bundle."""
    panel = new_panel(records.running("torch"))
    panel.show()
    (call,) = shown
    assert not call.update
    assert call.bundle[WIDGET_VIEW]["model_id"] == panel.box.model_id
    assert call.bundle["text/plain"] == "<warmup of 1 module>"
    assert "torch" in call.bundle["text/html"]


def test_the_end_replaces_the_widgets_by_html(
    new_panel: Callable[..., WidgetPanel],
    manager: ScriptedManager,
    records: Records,
    shown: list[Shown],
    parse_html: type[Document],
) -> None:
    """What a saved notebook keeps is the final table, and no reference to a widget."""
    panel = new_panel(records.running("torch"))
    panel.show()
    panel.draw()
    assert len(shown) == 1
    manager.records = [records.completed("torch")]
    panel.draw()
    first, last = shown
    assert last.update
    assert last.display_id == first.display_id
    assert set(last.bundle) == {"text/plain", "text/html"}
    assert last.bundle["text/plain"] == first.bundle["text/plain"]
    document = parse_html(last.bundle["text/html"])
    assert document.text.startswith("Warmup done: 1 of 1 module completed")
    assert document.rows[1][:2] == ["torch", "✓ completed"]


def test_panels_have_displays_of_their_own(
    new_panel: Callable[..., WidgetPanel], records: Records, shown: list[Shown]
) -> None:
    """The end of one panel does not overwrite another."""
    for name in ("a", "b"):
        new_panel(records.running(name)).show()
    assert shown[0].display_id != shown[1].display_id


def test_close_closes_every_widget(
    new_panel: Callable[..., WidgetPanel], records: Records
) -> None:
    """Nothing of a closed panel stays in the kernel; closing again does no harm."""
    panel = new_panel(records.running("torch"))
    widgets = [panel.box, panel.bar, panel.headline, panel.rows]
    assert all(one.comm is not None for one in widgets)
    panel.close()
    assert all(one.comm is None for one in widgets)
    panel.close()


def test_a_thousand_modules_are_drawn_as_a_hundred_rows(
    new_panel: Callable[..., WidgetPanel],
    records: Records,
    parse_html: type[Document],
) -> None:
    """The bar counts all of them, the message stays small."""
    panel = new_panel(*(records.completed(f"module{index}") for index in range(1000)))
    assert (panel.bar.value, panel.bar.max) == (1000, 1000)
    assert len(parse_html(panel.rows.value).rows) == 101
    assert len(panel.rows.value) < 130_000


def test_what_was_saved_stands_below_the_headline(
    new_panel: Callable[..., WidgetPanel],
    manager: ScriptedManager,
    records: Records,
    parse_html: type[Document],
    shown: list[Shown],
) -> None:
    """Live as soon as it is known, and in the HTML of the end, but not in its text."""
    panel = new_panel(records.running("numpy"))
    panel.show()
    headline = "Warmup: 0 of 1 module completed, 1 running"
    assert parse_html(panel.headline.value).text == headline
    manager.saved = SAVED
    panel.draw()
    assert parse_html(panel.headline.value).text == f"{headline}{IN_WORDS}"
    manager.records = [records.completed("numpy")]
    panel.draw()
    assert IN_WORDS in parse_html(shown[-1].bundle["text/html"]).text
    assert shown[-1].bundle["text/plain"] == shown[0].bundle["text/plain"]


def test_a_panel_tells_what_its_own_run_has_saved(
    new_panel: Callable[..., WidgetPanel],
    manager: ScriptedManager,
    records: Records,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After a reset it goes on with the run that it was shown for."""
    panel = new_panel(records.running("numpy"))
    asked: list[object] = []

    def totals(run: Run | None = None) -> Totals:
        asked.append(run)
        return SAVED

    monkeypatch.setattr(manager, "totals", totals)
    manager.reset()
    panel.draw()
    assert asked == [panel.run]
    assert panel.run is not manager.run
