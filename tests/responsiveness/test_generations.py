"""What becomes of garbage, and of what is no garbage, while modules are imported."""

from __future__ import annotations

import gc
import threading
from collections import deque
from typing import TYPE_CHECKING, ClassVar

import pytest

from ipywarmup.responsiveness.settings import InterpreterSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

THEIRS = 700, 10, 10
# A bound on failure only.
TIMEOUT = 10.0


@pytest.fixture(autouse=True)
def _theirs() -> Iterator[None]:
    before, enabled = gc.get_threshold(), gc.isenabled()
    gc.set_threshold(*THEIRS)
    yield
    gc.set_threshold(*before)
    if enabled:
        gc.enable()


@pytest.fixture
def settings() -> Iterator[InterpreterSettings]:
    """Return settings by which no full collection is due, but later by the user's."""
    settings = InterpreterSettings((700, 1, 1_000_000))
    yield settings
    settings.remove()


def test_the_next_full_collection_is_put_off_once(
    settings: InterpreterSettings,
) -> None:
    """No full collection stops all threads as soon as a warmup ends; one comes later,
    and not later and later if there is a warmup after another.
    """

    def full_collections() -> int:
        return int(gc.get_stats()[2]["collections"])

    def warm_up() -> int:
        with settings.borrowed():
            kept.extend([] for _ in range(survivors))
            before = full_collections()
        kept.extend([] for _ in range(2 * THEIRS[0]))
        return full_collections() - before

    kept: list[object] = []
    gc.collect()
    # As many as there are, and enough for many young collections.
    survivors = max(len(gc.get_objects()), 100_000)
    frozen = gc.get_freeze_count()
    # A collection of the second generation may be due when a warmup begins.
    for _ in range(12):
        gc.collect(0)
    assert [warm_up(), warm_up(), warm_up()] == [0, 1, 0]
    assert gc.get_freeze_count() <= frozen


def test_what_the_user_has_frozen_stays_frozen(settings: InterpreterSettings) -> None:
    """Objects that were taken out of the collector's sight do not come back into it."""
    gc.collect()
    frozen = len(gc.get_objects())
    gc.freeze()
    try:
        with settings.borrowed():
            kept = [[] for _ in range(100_000)]  # type: ignore[var-annotated]
        assert gc.get_freeze_count() > frozen // 2
    finally:
        gc.unfreeze()
    del kept


def test_generations_are_left_to_who_collects_by_hand(
    settings: InterpreterSettings,
) -> None:
    """No object grows old by us while the collector is disabled."""
    gc.disable()
    with settings.borrowed():
        for _ in range(12):
            gc.collect(1)
    assert gc.get_count()[2] >= 12


class Cycle:
    """An object that only the collector can free."""

    alive: ClassVar[int] = 0

    def __init__(self) -> None:
        self.me = self
        Cycle.alive += 1

    def __del__(self) -> None:  # noqa: D105
        Cycle.alive -= 1


@pytest.mark.parametrize(
    ("lifetime", "count", "bound"),
    [(1, 100_000, 5_000), (100_000, 2_500_000, 2_000_000)],
)
def test_garbage_of_a_cell_stays_bounded(lifetime: int, count: int, bound: int) -> None:
    """What a cell throws away during a long warmup is freed during that warmup."""
    settings = InterpreterSettings()
    gc.collect()
    before, most = Cycle.alive, 0
    in_use: deque[Cycle] = deque(maxlen=lifetime)
    with settings.borrowed():
        for _ in range(count // 1_000):
            in_use.extend(Cycle() for _ in range(1_000))
            most = max(most, Cycle.alive - before)
    in_use.clear()
    gc.collect()
    assert Cycle.alive == before
    assert most - lifetime < bound


def test_what_is_made_while_nobody_computes_is_looked_at_once(
    settings: InterpreterSettings,
) -> None:
    """What imports make grows old after one look; it can be collected later."""
    gc.collect()
    before = Cycle.alive
    with settings.borrowed():
        older = [each["collections"] for each in gc.get_stats()][1:]
        kept = []
        for _ in range(20):
            settings.adapt(idle=True)
            kept.append([Cycle() for _ in range(2 * THEIRS[0])])
        assert [each["collections"] for each in gc.get_stats()][1:] == older
    assert Cycle.alive - before == 20 * 2 * THEIRS[0]
    del kept
    gc.collect()
    assert Cycle.alive == before


@pytest.mark.parametrize("at_a_time", [10, 500, 10_000])
def test_garbage_that_is_made_now_and_then_is_collected(at_a_time: int) -> None:
    """Who computes too little to be noticed has no garbage left lying around either."""
    settings = InterpreterSettings()
    gc.collect()
    before, most = Cycle.alive, 0
    with settings.borrowed():
        for _ in range(200):
            settings.adapt(idle=True)
            for _ in range(at_a_time):
                Cycle()
            most = max(most, Cycle.alive - before)
    assert most < 3 * THEIRS[0]
    gc.collect()
    assert Cycle.alive == before


def test_the_collector_is_the_user_s_while_somebody_computes(
    settings: InterpreterSettings,
) -> None:
    """It is calmed for as long as nobody else can make garbage, or that is unknown."""
    with settings.borrowed():
        ours = gc.get_threshold()
        assert ours != THEIRS
        settings.adapt(idle=False)
        assert gc.get_threshold() == THEIRS
        settings.adapt(idle=None)
        assert gc.get_threshold() == ours
        gc.set_threshold(701, 10, 10)
        settings.adapt(idle=False)
        settings.adapt(idle=True)
        assert gc.get_threshold() == (701, 10, 10)
    settings.adapt(idle=True)
    assert gc.get_threshold() == (701, 10, 10)


@pytest.mark.parametrize("prevent", [gc.freeze, gc.disable])
def test_who_freezes_or_disables_is_left_alone(
    settings: InterpreterSettings, prevent: Callable[[], None]
) -> None:
    """Where objects cannot be spared, thresholds are not those for that."""
    with settings.borrowed():
        ours = gc.get_threshold()
        settings.adapt(idle=True)
        prevent()
        try:
            frozen = gc.get_freeze_count()
            settings.adapt(idle=True)
            # Some of what is frozen may be freed.
            assert gc.get_freeze_count() >= frozen // 2
            assert gc.get_threshold() == ours
        finally:
            gc.unfreeze()


def test_a_finalizer_may_wait_for_who_gives_back(
    settings: InterpreterSettings,
) -> None:
    """What it runs while the collector is spared is not run under a lock."""
    ended = threading.Event()
    seen: list[bool] = []

    class Waits:
        def __init__(self) -> None:
            self.me = self

        def __del__(self) -> None:
            seen.append(ended.wait(TIMEOUT))

    def work() -> None:
        with settings.borrowed():
            going.set()
            looking.wait(TIMEOUT)
        ended.set()

    going, looking = threading.Event(), threading.Event()
    thread = threading.Thread(target=work)
    with settings.borrowed():
        thread.start()
        going.wait(TIMEOUT)
        Waits()
        looking.set()
        settings.adapt(idle=True)
        thread.join(TIMEOUT)
    assert seen == [True]
