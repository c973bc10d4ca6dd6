"""timeline: when each module waited and was imported, as parts of one line of time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipywarmup.canary import Canary, CanaryStatus
from ipywarmup.panel.timeline import MOST_STALLS, Mark, Timeline, longest
from tests.panel.conftest import NOON

if TYPE_CHECKING:
    from ipywarmup.responsiveness.stalls import Stall


def canary(
    submit: float, start: float | None = None, end: float | None = None
) -> Canary:
    """Return a record with these moments, in seconds after noon."""
    made = Canary(1, "numpy", NOON + submit)
    if start is not None:
        made = made.started(at=NOON + start, thread_name="t", thread_id=7)
    if end is None:
        return made
    done = CanaryStatus.CANCELLED if start is None else CanaryStatus.COMPLETED
    return made.finished(done, at=NOON + end)


def spans(timeline: Timeline, *canaries: Canary) -> list[tuple[float, float, float]]:
    """Return the three moments of each track."""
    tracks = [timeline.track(each) for each in canaries]
    return [(track.submit, track.begin, track.end) for track in tracks]


def test_a_track_has_its_wait_and_its_import() -> None:
    """Both are parts of the time from the first submission to the last end."""
    canaries = [canary(0, 0, 1), canary(0, 1, 4), canary(2, 4, 5)]
    timeline = Timeline(canaries, NOON + 60)
    assert timeline.length_ms == pytest.approx(5000)
    found = spans(timeline, *canaries)
    assert found[0] == pytest.approx((0, 0, 0.2))
    assert found[1] == pytest.approx((0, 0.2, 0.8))
    assert found[2] == pytest.approx((0.4, 0.8, 1))
    assert timeline.track(canaries[2]).waited_ms == pytest.approx(2000)


def test_what_has_not_ended_goes_on_up_to_now() -> None:
    """A running import is as long as it has come, a queued one waits as long."""
    canaries = [canary(0, 1), canary(0), canary(0, None, 2)]
    timeline = Timeline(canaries, NOON + 4)
    running, queued, cancelled = spans(timeline, *canaries)
    assert running == pytest.approx((0, 0.25, 1))
    assert queued == pytest.approx((0, 1, 1))
    assert cancelled == pytest.approx((0, 0.5, 0.5))


def test_time_in_which_there_was_nothing_to_do_is_left_out() -> None:
    """What is added an hour later stands behind what was done by then."""
    canaries = [canary(0, 0, 2), canary(3600, 3601, 3602)]
    timeline = Timeline(canaries, NOON + 9000)
    assert timeline.length_ms == pytest.approx(4000)
    first, second = spans(timeline, *canaries)
    assert first == pytest.approx((0, 0, 0.5))
    assert second == pytest.approx((0.5, 0.75, 1))


def test_a_timeline_of_no_time_divides_by_nothing() -> None:
    """Before a clock tick has passed everything is at its beginning."""
    one = canary(0)
    timeline = Timeline([one], NOON)
    assert timeline.length_ms == 0
    assert spans(timeline, one) == [(0, 0, 0)]
    assert Timeline([], NOON).length_ms == 0


def test_a_stall_belongs_to_the_module_that_was_imported() -> None:
    """It is part of the row in whose import most of it lies, and ends with that."""
    canaries = [canary(0, 0, 2), canary(0, 2, 4)]
    timeline = Timeline(canaries, NOON)
    stalls: list[Stall] = [
        {"start_ts": NOON + 1.0, "duration_ms": 500.0},
        {"start_ts": NOON + 1.9, "duration_ms": 400.0},
        {"start_ts": NOON + 3.8, "duration_ms": 300.0},
    ]
    first, second = (list(timeline.track(each, stalls).stalls) for each in canaries)
    assert first == [pytest.approx(Mark(0.25, 0.375, 500.0))]
    assert second == [
        pytest.approx(Mark(0.5, 0.575, 400.0)),
        pytest.approx(Mark(0.95, 1.0, 300.0)),
    ]
    waiting = canary(0)
    assert Timeline([waiting], NOON + 4).track(waiting, stalls).stalls == ()


def test_only_the_longest_stalls_are_drawn() -> None:
    """A busy hour has thousands of short ones; they stay in their order."""
    stalls: list[Stall] = [
        {"start_ts": NOON + number, "duration_ms": float(number)}
        for number in range(1000)
    ]
    drawn = longest(reversed(stalls))
    assert [stall["duration_ms"] for stall in drawn] == [
        *range(1000 - MOST_STALLS, 1000)
    ]


MOMENTS = st.lists(st.floats(0, 1000), min_size=3, max_size=3).map(sorted)


@given(st.lists(MOMENTS, min_size=1, max_size=8), st.floats(0, 1000))
def test_moments_keep_their_order(moments: list[list[float]], now: float) -> None:
    """Whatever overlaps, each track lies within the line, and earlier is further to
    the left.
    """
    canaries = [canary(*each) for each in moments]
    timeline = Timeline(canaries, NOON + now)
    found = spans(timeline, *canaries)
    for track in found:
        assert 0 <= track[0] <= track[1] <= track[2] <= 1
    by_clock = sorted(
        (clock, position)
        for each, track in zip(canaries, found, strict=True)
        for clock, position in zip(
            (each.submit_ts, each.start_ts, each.end_ts), track, strict=True
        )
        if clock is not None
    )
    positions = [position for _, position in by_clock]
    assert positions == sorted(positions)
    assert max(positions) == 1 or timeline.length_ms == 0
