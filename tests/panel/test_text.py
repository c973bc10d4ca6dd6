"""text: the rows as plain text that can be compared and cannot steer a terminal."""

from __future__ import annotations

import configparser
import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from ipywarmup.panel import text
from ipywarmup.panel.rows import tabulate
from tests.panel.conftest import IN_WORDS, SAVED

if TYPE_CHECKING:
    from tests.panel.conftest import Records

NOON = 1_700_000_000.0
SANITIZER = Path(__file__).parents[2] / "notebooks" / "sanitize.cfg"


def test_text_is_a_headline_and_a_table(records: Records) -> None:
    """Columns stand under their names; a row ends with its error and its hint."""
    canaries = [
        records.completed("numpy", milliseconds=85.2),
        records.failed("nosuch", "OSError: no", hint="hint"),
        records.running("sklearn.ensemble"),
        records.queued("pandas"),
    ]
    assert text.render(tabulate(canaries, now=NOON + 2, limit=9)).splitlines() == [
        "Warmup: 1 of 4 modules completed, 1 failed, 1 running, 1 queued",
        "id  module            status     thread         elapsed  error",
        " 1  numpy             completed  ipywarmup-0    85.2 ms",
        " 2  nosuch            failed     ipywarmup-0    12.5 ms  OSError: no (hint)",
        " 3  sklearn.ensemble  running    ipywarmup-0     2.00 s",
        " 4  pandas            queued",
    ]


def test_text_of_no_modules_is_its_headline(records: Records) -> None:
    """Without rows there is no table."""
    del records
    assert text.render(tabulate([], now=NOON, limit=9)) == "Warmup: no modules yet"


def test_text_says_what_it_leaves_out(records: Records) -> None:
    """The last line counts the modules that have no row."""
    canaries = [records.queued(name) for name in "abc"]
    last = text.render(tabulate(canaries, now=NOON, limit=1)).splitlines()[-1]
    assert last == "... and 2 modules more: 2 queued"


def test_two_runs_differ_in_their_times_only(records: Records) -> None:
    """Once the times are masked, a fast and a slow run compare equal."""

    def render(milliseconds: list[float], now: float) -> list[str]:
        canaries = [
            records.completed("numpy", milliseconds=milliseconds[0]),
            records.failed("nosuch", milliseconds=milliseconds[1]),
            records.running("torch"),
        ]
        canaries = [
            dataclasses.replace(canary, canary_id=number)
            for number, canary in enumerate(canaries, 1)
        ]
        drawn = text.render(tabulate(canaries, now=NOON + now, limit=9))
        return re.sub(r"\s*\d+\.\d+ m?s", " TIME", drawn).splitlines()

    slow = render([999_000.0, 12_345.6], 7200)
    fast = render([0.04, 1.0], 0.001)
    assert slow == fast
    assert slow[0] == "Warmup: 1 of 3 modules completed, 1 failed, 1 running"
    assert "".join(slow).count("TIME") == 3


def test_what_steers_a_terminal_is_written_out(records: Records) -> None:
    """Escape sequences and line breaks of errors and outputs show as text."""
    canary = records.failed(
        "bad",
        "OSError: \x1b[31mred\x1b[0m\nsecond line\ttab\x07 \u202ebidi",
        hint="line\none",
        output="\x1b]0;title\x07\r\nprinted",
    )
    drawn = text.render(tabulate([canary], now=NOON, limit=9))
    assert len(drawn.splitlines()) == 3
    assert drawn.splitlines()[2].endswith(
        r"OSError: \x1b[31mred\x1b[0m\nsecond line\ttab\x07 \u202ebidi"
        r" (line\none) [printed: \x1b]0;title\x07\r\nprinted]"
    )


def test_long_errors_and_outputs_are_elided(records: Records) -> None:
    """Megabytes of an error or an output do not make a long line."""
    canary = records.failed("bad", "E: " + "x" * 10**6, output="y" * 10**6 + "end")
    line = text.render(tabulate([canary], now=NOON, limit=9)).splitlines()[-1]
    assert len(line) < 400
    assert line.endswith("yend]")


@given(st.text())
def test_printable_text_stays_printable_and_whole(source: str) -> None:
    """Printable characters stay; the others can be read back from their escapes."""
    shown = text.printable(source)
    assert shown.isprintable()
    if source.isprintable():
        assert shown == source


def test_text_says_what_was_saved_below_the_headline(records: Records) -> None:
    """One line, which fits a terminal, and looks the same once times are masked."""
    canaries = [records.completed("numpy")]
    lines = text.render(
        tabulate(canaries, now=NOON, limit=9, totals=SAVED)
    ).splitlines()
    assert lines[0] == "Warmup done: 1 of 1 module completed"
    assert lines[1] == IN_WORDS
    assert lines[2].startswith("id ")
    assert len(lines[1]) < 80
    config = configparser.RawConfigParser()
    config.read(SANITIZER, encoding="utf-8")
    sanitised = re.sub(config["times"]["regex"], "TIME", IN_WORDS)
    assert sanitised == "SavedTIME of waiting; longest stall of other threadsTIME"
