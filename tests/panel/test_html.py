"""html: the rows as markup that stays what it is, whatever a module says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ipywarmup.canary import CanaryStatus
from ipywarmup.panel import html
from ipywarmup.panel.rows import Row, State, Table, tabulate
from tests.panel.conftest import IN_WORDS, SAVED

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipywarmup.responsiveness.stalls import Stall
    from tests.panel.conftest import Document, Records

    Render = Callable[[Table], str]

NOON = 1_700_000_000.0
ATTACK = "<img src=x onerror=alert(1)>\"'&amp;</td></table><script>x</script>"
RENDERERS = pytest.mark.parametrize(
    "render", [html.render, html.render_panel, html.render_rows]
)


def table_of(*rows: Row) -> Table:
    """Return a table that holds these rows."""
    return Table(len(rows), {State.FAILED: len(rows)}, rows)


def row(word: str) -> Row:
    """Return a row that says `word` wherever a row can say something."""
    return Row("1", word, State.FAILED, word, "1.0 ms", word, word, word, word)


def test_html_is_a_headline_and_a_table(
    records: Records, parse_html: type[Document]
) -> None:
    """Each record is a row of the table, under named columns."""
    canaries = [
        records.completed("numpy", milliseconds=85.2, output="one\ntwo"),
        records.failed("nosuch", "OSError: no", hint="did you mean 'os'?"),
        records.queued("pandas"),
    ]
    document = parse_html(html.render(tabulate(canaries, now=NOON, limit=9)))
    assert document.text.startswith("Warmup: 1 of 3 modules completed, 1 failed, 1 q")
    assert document.rows == [
        ["id", "module", "status", "thread", "elapsed"],
        ["1", "numpy", "✓ completed", "ipywarmup-0", "85.2 ms"],
        ["printed 2 linesone\ntwo"],
        ["2", "nosuch", "✗ failed", "ipywarmup-0", "12.5 ms"],
        ["OSError: no\ndid you mean 'os'?"],
        ["3", "pandas", "○ queued", "", ""],
    ]


def test_a_warmup_has_a_timeline(records: Records, parse_html: type[Document]) -> None:
    """It has the place of what is the same for most rows, and says how long it is."""
    canaries = [records.completed("numpy", milliseconds=85.2), records.queued("pandas")]
    table = tabulate(canaries, now=NOON + 0.1, limit=9, stalls=[])
    document = parse_html(html.render(table))
    assert document.rows == [
        ["module", "status", "timeline, 100.0 ms", "elapsed"],
        ["numpy", "✓ completed", "", "85.2 ms"],
        ["pandas", "○ queued", "", ""],
    ]
    assert document.text.endswith("in the queueimportedstall of 10 ms or more")


def test_a_track_is_drawn_and_told_in_words(
    records: Records, parse_html: type[Document]
) -> None:
    """Who waited, when it was imported and what stalled are parts of the width."""
    first = records.completed("first", milliseconds=40)
    second = records.queued("second").started(
        at=NOON + 0.04, thread_name="ipywarmup-0", thread_id=7
    )
    second = second.finished(CanaryStatus.FAILED, at=NOON + 0.1, error="OSError: no")
    stalls: list[Stall] = [
        {"start_ts": NOON + 0.05, "duration_ms": 20.0},
        {"start_ts": NOON + 0.08, "duration_ms": 10.0},
    ]
    table = tabulate([first, second], now=NOON + 9, limit=9, stalls=stalls)
    drawn = html.render_rows(table)
    _, done, failed = drawn.split('<div class="ipywarmup-track"')
    titles = [
        value
        for name, value in parse_html(drawn).attributes
        if name == "title" and value
    ]
    assert titles == [
        "waited 0.0 ms, imported for 40.0 ms",
        "waited 40.0 ms, imported for 60.0 ms, stalls: 2, the longest 20.0 ms",
        "stall of 20.0 ms",
        "stall of 10.0 ms",
    ]
    assert "left:0%;width:40%;top:1px;height:10px" in done
    assert "left:0%;width:40%;top:5px;height:2px" in failed
    assert "left:40%;width:60%;top:4px;height:4px" in failed
    assert "left:50%;width:20%;top:-3px;height:3px" in failed
    assert "left:80%;width:10%;top:-3px;height:3px" in failed
    assert ("✗</i>" in failed, "✗</i>" in done) == (True, False)


def test_an_error_unfolds_to_its_traceback(
    records: Records, parse_html: type[Document]
) -> None:
    """What was raised and printed is there without a row that is too high."""
    canary = records.failed(
        "bad",
        "OSError: no disk",
        traceback="Traceback (most recent call last):\n  ...\nOSError: no disk\n",
        output="loading",
    )
    table = tabulate([canary], now=NOON, limit=9, stalls=[])
    document = parse_html(html.render_rows(table))
    assert document.tags.count("details") == 1
    (note,) = document.rows[2]
    assert note == (
        "OSError: no disk\ntraceback, printed 1 line"
        "Traceback (most recent call last):\n  ...\nOSError: no disk\nloading"
    )
    document = parse_html(html.render_rows(table, foldable=False))
    assert document.rows[2] == ["OSError: no disk\nprinted 1 line"]


def test_each_state_has_a_mark_and_a_word(
    records: Records, parse_html: type[Document]
) -> None:
    """A state can be told without its colour."""
    canaries = [
        records.queued("a"),
        records.running("b"),
        records.completed("c"),
        records.failed("d"),
        records.cancelled("e"),
    ]
    for stalls, column in ((None, 2), ([], 1)):
        table = tabulate(canaries, now=NOON, limit=9, stalls=stalls)
        document = parse_html(html.render_rows(table))
        assert [line[column] for line in document.rows[1:] if line[1:]] == [
            *("○ queued", "◐ running", "✓ completed", "✗ failed", "⊘ cancelled"),
        ]


def test_html_of_no_modules_is_its_headline(parse_html: type[Document]) -> None:
    """Without rows there is no table."""
    table = tabulate([], now=NOON, limit=9)
    assert html.render_rows(table) == ""
    assert parse_html(html.render(table)).text == "Warmup: no modules yet"
    assert parse_html(html.render_panel(table)).text == "Warmup: no modules yet"


@RENDERERS
def test_html_says_what_it_leaves_out(
    records: Records, parse_html: type[Document], render: Render
) -> None:
    """Below the rows stands how many modules have none."""
    canaries = [records.queued(name) for name in "abc"]
    document = parse_html(render(tabulate(canaries, now=NOON, limit=1)))
    assert document.text.endswith("… and 2 modules more: 2 queued")


@pytest.mark.parametrize(
    ("ended", "total", "percent"), [(0, 3, 0), (1, 3, 33), (2, 3, 66), (3, 3, 100)]
)
def test_panel_has_a_bar_that_says_how_far_it_is(
    records: Records,
    parse_html: type[Document],
    ended: int,
    total: int,
    percent: int,
) -> None:
    """The bar is a progressbar for those who cannot see it, too."""
    canaries = [records.completed("a") for _ in range(ended)]
    canaries += [records.queued("b") for _ in range(total - ended)]
    document = parse_html(html.render_panel(tabulate(canaries, now=NOON, limit=9)))
    attributes = dict(document.attributes)
    assert attributes["role"] == "progressbar"
    assert attributes["aria-valuenow"] == str(ended)
    assert attributes["aria-valuemax"] == str(total)
    assert f"width:{percent}%" in html.render_panel(
        tabulate(canaries, now=NOON, limit=9)
    )


def test_bar_has_the_colour_of_the_outcome(records: Records) -> None:
    """The bar is coloured as the status of the module that matters most."""
    running, completed = records.running("a"), records.completed("b")
    cancelled, failed = records.cancelled("c"), records.failed("d")
    for canaries, colour in (
        ([running, completed, cancelled, failed], "error"),
        ([running, completed, cancelled], "brand"),
        ([completed, cancelled], "warn"),
        ([completed], "success"),
        ([], "success"),
    ):
        drawn = html.render_panel(tabulate(canaries, now=NOON, limit=9))
        bar, _, _ = drawn.partition("<table")
        assert f"background:var(--jp-{colour}-color1," in bar


@RENDERERS
def test_markup_in_a_record_shows_as_text(
    parse_html: type[Document], render: Render
) -> None:
    """No name, error, hint or output can add an element or close one."""
    document = parse_html(render(table_of(row(ATTACK))))
    assert "img" not in document.tags
    assert "script" not in document.tags
    assert not [name for name, _ in document.attributes if name.startswith("on")]
    _, cells, (note,) = document.rows
    assert cells[1] == cells[3] == ATTACK
    assert note.count(ATTACK) == 4


@RENDERERS
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(word=st.text(alphabet=st.characters() | st.sampled_from("<>&\"'/")))
def test_no_record_changes_the_structure(
    parse_html: type[Document], render: Render, word: str
) -> None:
    """Whatever a record says, the elements are those of any other record."""
    structure = parse_html(render(table_of(row("word")))).tags
    assert parse_html(render(table_of(row(f"{word}.")))).tags == structure


@RENDERERS
@pytest.mark.parametrize("word", ["\ud800", "a\udcffb"])
def test_html_can_be_sent(render: Render, word: str) -> None:
    """Half of a surrogate pair, which no message can carry, is written out."""
    drawn = render(table_of(row(word)))
    assert word.encode("unicode_escape").decode() in drawn
    assert drawn.encode()


def test_long_errors_and_outputs_are_elided(records: Records) -> None:
    """Megabytes of an error or an output do not travel to the browser."""
    canary = records.failed(
        "bad", "E: " + "<" * 10**6, output="&" * 10**6, traceback="<" * 10**6 + "end"
    )
    drawn = html.render(tabulate([canary], now=NOON, limit=9))
    assert len(drawn) < 30_000
    assert drawn.count("…") == 3
    assert "&lt;end</pre>" in drawn


@pytest.mark.parametrize("render", [html.render, html.render_panel])
def test_a_thousand_modules_make_a_table_that_scrolls(
    records: Records, parse_html: type[Document], render: Render
) -> None:
    """The table of many modules has a height of its own and a moderate size."""
    canaries = [records.completed(f"package{index}.module") for index in range(1000)]
    drawn = render(tabulate(canaries, now=NOON, limit=100, stalls=[]))
    assert f"max-height:{html.SCROLL_HEIGHT};overflow:auto" in drawn
    assert len(parse_html(drawn).rows) == 101
    assert len(drawn) < 130_000


def test_numbers_stand_on_the_right(
    records: Records, parse_html: type[Document]
) -> None:
    """Ids and times can be compared at a glance; words begin on the left."""
    table = tabulate([records.failed("numpy")], now=NOON, limit=9)
    attributes = parse_html(html.render_rows(table)).attributes
    styles = [style for name, style in attributes if name == "style" and style]
    right = ["text-align:right" in style for style in styles if "text-align" in style]
    assert right == [*(2 * [True, False, False, False, True]), False]


def test_an_output_unfolds_only_where_it_stays(
    records: Records, parse_html: type[Document]
) -> None:
    """What is drawn again and again would fold up at once: it only counts the lines."""
    table = tabulate([records.completed("a", output="one\ntwo")], now=NOON, limit=9)
    document = parse_html(html.render_rows(table))
    assert "details" in document.tags
    assert document.rows[2] == ["printed 2 linesone\ntwo"]
    document = parse_html(html.render_rows(table, foldable=False))
    assert "details" not in document.tags
    assert document.rows[2] == ["printed 2 lines"]


def test_what_a_theme_decides_has_a_value_without_one(records: Records) -> None:
    """Every variable has a fallback, for frontends that do not know it."""
    canaries = [
        records.queued("a"),
        records.running("b"),
        records.completed("c"),
        records.failed("d", output="e"),
        records.cancelled("f"),
    ]
    drawn = html.render_panel(tabulate(canaries, now=NOON, limit=4, stalls=[]))
    assert "var(--jp-" in drawn
    assert not re.findall(r"var\([\w-]+\)", drawn)


@pytest.mark.parametrize("render", [html.render, html.render_panel])
def test_html_says_what_was_saved_below_the_headline(
    records: Records, parse_html: type[Document], render: Render
) -> None:
    """It stands between the headline and the bar or the table, and only if known."""
    canaries = [records.completed("numpy")]
    headline = "Warmup done: 1 of 1 module completed"
    table = tabulate(canaries, now=NOON, limit=9)
    assert parse_html(render(table)).text.startswith(f"{headline}id")
    drawn = render(table._replace(totals=SAVED))
    assert parse_html(drawn).text.startswith(f"{headline}{IN_WORDS}id")
    before_rows, _, _ = drawn.partition('<div class="ipywarmup-rows"')
    if "progressbar" in drawn:
        assert drawn.index(IN_WORDS) < drawn.index("progressbar")
    # It may wrap in a narrow column.
    assert "nowrap" not in before_rows
