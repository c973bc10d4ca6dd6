"""views: what %warmup status and %warmup canaries return."""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.formatters import DisplayFormatter

from ipywarmup.panel.views import TableView
from tests.panel.conftest import IN_WORDS, SAVED

if TYPE_CHECKING:
    from tests.panel.conftest import Document, Records


def test_a_view_is_text_and_html(records: Records, parse_html: type[Document]) -> None:
    """A frontend chooses between text/plain and text/html, which agree."""
    view = TableView([records.completed("numpy"), records.failed("nosuch")])
    bundle = view._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    headline = "Warmup done: 1 of 2 modules completed, 1 failed"
    assert bundle["text/plain"].splitlines()[0] == headline
    assert parse_html(bundle["text/html"]).text.startswith(headline)


def test_repr_of_a_view_is_its_text(records: Records) -> None:
    """A terminal and `print` show the table as text."""
    view = TableView([records.running("torch")])
    assert repr(view) == view._repr_mimebundle_()["text/plain"]


def test_ipython_shows_a_view_as_it_is(records: Records) -> None:
    """IPython's formatter takes the whole bundle, and filters what it is asked to."""
    view = TableView([records.completed("numpy")])
    formatter = DisplayFormatter()
    bundle, _ = formatter.format(view)
    assert {key: bundle[key] for key in ("text/plain", "text/html")} == (
        view._repr_mimebundle_()
    )
    bundle, _ = formatter.format(view, exclude={"text/html"})
    assert set(bundle) == {"text/plain"}


def test_a_view_is_of_one_moment(records: Records) -> None:
    """What happens later does not change a view that was taken before."""
    canaries = [records.running("torch")]
    view = TableView(canaries)
    before = repr(view)
    canaries.append(records.completed("numpy"))
    assert repr(view) == before


def test_a_view_has_a_limit(records: Records) -> None:
    """A view draws as many rows as it is told, and counts the others."""
    canaries = [records.completed(f"module{index}") for index in range(10)]
    lines = repr(TableView(canaries, limit=3)).splitlines()
    assert len(lines) == 1 + 1 + 3 + 1
    assert lines[-1] == "... and 7 modules more: 7 completed"


def test_a_view_says_what_was_saved_if_it_is_told(
    records: Records, parse_html: type[Document]
) -> None:
    """Text and HTML have the same line, below the headline."""
    bundle = TableView([records.completed("numpy")], SAVED)._repr_mimebundle_()
    assert bundle["text/plain"].splitlines()[1] == IN_WORDS
    assert IN_WORDS in parse_html(bundle["text/html"]).text
