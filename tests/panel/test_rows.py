"""rows: a warmup in words, and what is left out when there is no room."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipywarmup.panel.rows import State, duration, elide, enumerate_names, tabulate
from tests.panel.conftest import IN_WORDS, SAVED

if TYPE_CHECKING:
    from ipywarmup.run import Totals
    from tests.panel.conftest import Records

NOON = 1_700_000_000.0


def test_each_record_is_one_row_in_its_order(records: Records) -> None:
    """A row says in words what the record holds, and nothing it does not hold."""
    table = tabulate(
        [
            records.completed("numpy", milliseconds=85.25, output="  hello\n"),
            records.failed(
                "nosuch", "OSError: no", hint="did you mean 'os'?", traceback="line 1"
            ),
            records.running("torch", thread="controller-io-1"),
            records.queued("pandas"),
            records.cancelled("polars"),
        ],
        now=NOON + 2.3,
        limit=100,
    )
    assert [tuple(row[:-1]) for row in table.rows] == [
        ("1", "numpy", "completed", "ipywarmup-0", "85.2 ms", "", "", "", "hello"),
        (
            *("2", "nosuch", "failed", "ipywarmup-0", "12.5 ms"),
            *("OSError: no", "did you mean 'os'?", "line 1", ""),
        ),
        ("3", "torch", "running", "controller-io-1", "2.30 s", "", "", "", ""),
        ("4", "pandas", "queued", "", "", "", "", "", ""),
        ("5", "polars", "cancelled", "", "", "", "", "", ""),
    ]
    assert {row.track for row in table.rows} == {None}


def test_counts_are_of_all_modules_in_the_order_of_the_states(records: Records) -> None:
    """Counts hold the states that occur, drawn or not."""
    canaries = [
        records.queued("a"),
        records.completed("b"),
        records.failed("c"),
        records.completed("d"),
    ]
    table = tabulate(canaries, now=NOON, limit=1)
    assert (table.total, table.ended, table.unfinished) == (4, 3, 1)
    assert list(table.counts.items()) == [
        (State.FAILED, 1),
        (State.COMPLETED, 2),
        (State.QUEUED, 1),
    ]
    assert not table.done


def test_headline_of_no_modules(records: Records) -> None:
    """Without any module the headline says so, and nothing is left out."""
    del records
    table = tabulate([], now=NOON, limit=10)
    assert table.headline == "Warmup: no modules yet"
    assert table.left_out == ""
    assert table.done


def test_headline_names_each_state_that_occurs(records: Records) -> None:
    """The headline counts what is completed and every other state there is."""
    canaries = [records.completed("a")]
    assert tabulate(canaries, now=NOON, limit=9).headline == (
        "Warmup done: 1 of 1 module completed"
    )
    canaries += [records.failed("b"), records.cancelled("c")]
    assert tabulate(canaries, now=NOON, limit=9).headline == (
        "Warmup done: 1 of 3 modules completed, 1 failed, 1 cancelled"
    )
    canaries += [records.running("d"), records.queued("e"), records.queued("f")]
    assert tabulate(canaries, now=NOON, limit=9).headline == (
        "Warmup: 1 of 6 modules completed, 1 failed, 1 cancelled, 1 running, 2 queued"
    )


def test_a_running_row_counts_up_to_now(records: Records) -> None:
    """Elapsed of a running import is up to the moment given, and never negative."""
    canary = records.running("torch")
    for now, elapsed in [(0.5, "500.0 ms"), (61, "61.00 s"), (-5, "0.0 ms")]:
        (row,) = tabulate([canary], now=NOON + now, limit=1).rows
        assert row.elapsed == elapsed


def test_an_ended_row_does_not_count(records: Records) -> None:
    """Elapsed of an ended import stays as it is."""
    canary = records.completed("torch", milliseconds=1500)
    (row,) = tabulate([canary], now=NOON + 3600, limit=1).rows
    assert row.elapsed == "1.50 s"


def test_running_then_failed_modules_are_shown_first(records: Records) -> None:
    """Beyond the limit: running, failed, the latest to complete, then the queued."""
    canaries = [
        records.queued("queued1"),
        records.completed("early", milliseconds=1),
        records.completed("late", milliseconds=3),
        records.cancelled("cancelled"),
        records.completed("middle", milliseconds=2),
        records.failed("failed"),
        records.queued("queued2"),
        records.running("running"),
    ]
    order = [
        *("running", "failed", "late", "middle", "early"),
        *("cancelled", "queued1", "queued2"),
    ]
    for limit in range(1, len(canaries) + 1):
        rows = tabulate(canaries, now=NOON, limit=limit).rows
        assert {row.module for row in rows} == set(order[:limit])
        assert [int(row.canary_id) for row in rows] == sorted(
            int(row.canary_id) for row in rows
        )


def test_what_is_left_out_is_counted(records: Records) -> None:
    """The remark below the rows counts what they lack, by state."""
    canaries = [records.completed(f"done{index}") for index in range(3)]
    canaries += [records.queued(f"queued{index}") for index in range(4)]
    table = tabulate(canaries, now=NOON, limit=2)
    assert table.left_out == "and 5 modules more: 1 completed, 4 queued"
    table = tabulate(canaries, now=NOON, limit=6)
    assert table.left_out == "and 1 module more: 1 queued"
    assert tabulate(canaries, now=NOON, limit=7).left_out == ""


def test_a_thousand_modules_are_counted_and_a_hundred_shown(records: Records) -> None:
    """With 1,000 modules the table is as long as its limit, its counts are whole."""
    canaries = [records.completed(f"done{i}", milliseconds=i) for i in range(490)]
    canaries += [records.failed(f"failed{index}") for index in range(9)]
    canaries += [records.running("running")]
    canaries += [records.queued(f"queued{index}") for index in range(500)]
    table = tabulate(canaries, now=NOON, limit=100)
    assert table.headline == (
        "Warmup: 490 of 1000 modules completed, 9 failed, 1 running, 500 queued"
    )
    assert len(table.rows) == 100
    assert [row.module for row in table.rows[:90]] == [
        f"done{index}" for index in range(400, 490)
    ]
    assert table.left_out == "and 900 modules more: 400 completed, 500 queued"


def test_long_names_are_elided_in_rows(records: Records) -> None:
    """A ten-kilobyte name takes 60 characters, a long thread name 30."""
    canary = records.running("a" * 10_000 + "z", thread="t" * 99)
    (row,) = tabulate([canary], now=NOON, limit=1).rows
    assert len(row.module) == 60
    assert row.module.startswith("aaa")
    assert row.module.endswith("z")
    assert len(row.thread) == 30


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (0, "0.0 ms"),
        (0.04, "0.0 ms"),
        (85.25, "85.2 ms"),
        (999.4, "999.4 ms"),
        (1000, "1.00 s"),
        (2314, "2.31 s"),
        (3_600_000, "3600.00 s"),
    ],
)
def test_duration(milliseconds: float, words: str) -> None:
    """Milliseconds have one digit behind the point, seconds two."""
    assert duration(milliseconds) == words


@given(st.text(), st.integers(1, 40))
def test_elide_keeps_both_ends(text: str, width: int) -> None:
    """A text that is too long keeps its start and its end, around one mark."""
    short = elide(text, width)
    if len(text) <= width:
        assert short == text
        return
    assert len(short) == width
    head, _, tail = short.partition("…") if "…" not in text else ("", "", "")
    assert text.startswith(head)
    assert text.endswith(tail)


def test_names_are_enumerated_as_one_would_say_them() -> None:
    """A few names are all said, of many the first few."""
    assert enumerate_names([]) == ""
    assert enumerate_names(["a"]) == "a"
    assert enumerate_names(list("abcde")) == "a, b, c, d, e"
    assert enumerate_names(list("abcdefg")) == "a, b, c, d, e and 2 more"
    assert enumerate_names(list("abc"), most=2) == "a, b and 1 more"
    assert len(enumerate_names(["x" * 10_000])) == 60


def test_what_was_saved_is_said_once_it_is_known(records: Records) -> None:
    """From the first import that ends on a worker on; the words stay the same."""
    canaries = [records.completed("numpy")]
    assert tabulate(canaries, now=NOON, limit=9).savings == ""
    nothing: Totals = {"worst_stall_ms": None, "hidden_ms": 0.0, "waited_ms": 0.0}
    begun: Totals = {**nothing, "hidden_ms": 500.0}
    ended: Totals = {**nothing, "worst_stall_ms": 0.0}
    for totals, words in (
        (nothing, ""),
        (begun, ""),
        (ended, "Saved 0.0 ms of waiting; longest stall of other threads 0.0 ms"),
        (SAVED, IN_WORDS),
    ):
        table = tabulate(canaries, now=NOON, limit=9, totals=totals)
        assert table.savings == words
        assert not re.search(r"\d", table.headline.replace("1 of 1 module", ""))
