"""Warnings filters: an import on a worker never changes those of a user's block."""

from __future__ import annotations

import sys
import threading
import types
import warnings
from typing import TYPE_CHECKING

import pytest

from ipywarmup.importlock import filters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TIMEOUT = 10.0
ADDED = ("ignore", None, UserWarning, None, 4711)

pytestmark = pytest.mark.skipif(
    sys.version_info >= (3, 14), reason="warnings of Python 3.14 keep filters apart"
)


class Steps:
    """A thread that goes on step by step, as the test says."""

    def __init__(self, *steps: Callable[[], object]) -> None:
        self._steps = list(steps)
        self._go, self._done = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for step in self._steps:
            self._go.acquire()
            step()
            self._done.release()

    def next(self) -> None:
        """Do the next step, and return when it is done."""
        self._go.release()
        assert self._done.acquire(timeout=TIMEOUT)

    def join(self) -> None:
        """Wait for the end of the thread."""
        self._thread.join(TIMEOUT)
        assert not self._thread.is_alive()


@pytest.fixture(autouse=True)
def by_thread() -> Iterator[None]:
    """Look filters up by thread, and leave all as it was."""
    before = warnings.filters
    saved = warnings.filters[:]
    filters.install()
    yield
    filters.remove()
    assert type(warnings) is types.ModuleType
    assert warnings.filters is before
    warnings.filters[:] = saved  # type: ignore[index]


def worker_in_a_block() -> Steps:
    """Return a worker whose import enters, and then leaves, `catch_warnings`."""
    own, block = filters.own_filters(), warnings.catch_warnings()
    return Steps(
        own.__enter__,
        block.__enter__,
        lambda: warnings.simplefilter("error"),
        lambda: block.__exit__(None, None, None),
        lambda: own.__exit__(None, None, None),
    )


def test_a_block_keeps_its_filters_while_an_import_leaves_its_own() -> None:
    """Blocks of two threads that overlap put back nothing of each other."""
    before = warnings.filters[:]
    worker = worker_in_a_block()
    worker.next()
    worker.next()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        inside = warnings.filters[:]
        for _ in range(3):
            worker.next()
            assert warnings.filters == inside
    assert warnings.filters == before
    worker.join()


def test_a_block_that_outlives_an_import_keeps_its_filters() -> None:
    """The other way round: the block begins first and ends last."""
    before = warnings.filters[:]
    worker = worker_in_a_block()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        inside = warnings.filters[:]
        for _ in range(5):
            worker.next()
            assert warnings.filters == inside
    assert warnings.filters == before
    worker.join()


@pytest.mark.parametrize("append", [False, True])
def test_what_an_import_adds_for_good_is_there_afterwards(*, append: bool) -> None:
    """Filters that a module adds reach the process, below the blocks under way."""
    own = filters.own_filters()
    worker = Steps(
        own.__enter__,
        lambda: warnings.simplefilter("ignore", UserWarning, 4711, append=append),
        lambda: own.__exit__(None, None, None),
    )
    with warnings.catch_warnings():
        inside = warnings.filters[:]
        for _ in range(3):
            worker.next()
        assert warnings.filters == inside
    assert warnings.filters[-1 if append else 0] == ADDED
    worker.join()


def test_an_import_records_its_own_warnings() -> None:
    """`catch_warnings(record=True)` in a worker gets what the worker warns of."""
    recorded: list[list[str]] = []

    def work() -> None:
        with filters.own_filters(), warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warnings.warn("of the worker", UserWarning, stacklevel=1)
            recorded.append([str(warning.message) for warning in caught])

    with warnings.catch_warnings(record=True) as caught:
        worker = Steps(work)
        worker.next()
        worker.join()
        assert caught == []
    assert recorded == [["of the worker"]]


def test_a_workers_filters_hold_for_its_own_warnings() -> None:
    """An "error" filter of the process is that of an import, which may change it."""
    raised: list[str] = []

    def work() -> None:
        with filters.own_filters():
            try:
                warnings.warn("stop", UserWarning, stacklevel=1)
            except UserWarning as warning:
                raised.append(str(warning))
            warnings.simplefilter("ignore")
            warnings.warn("go on", UserWarning, stacklevel=1)
            warnings.resetwarnings()

    warnings.simplefilter("error")
    with warnings.catch_warnings():
        worker = Steps(work)
        worker.next()
        worker.join()
        with pytest.raises(UserWarning, match="here"):
            warnings.warn("here", UserWarning, stacklevel=1)
    assert raised == ["stop"]


@pytest.mark.parametrize("record", [False, True])
def test_a_block_is_not_that_of_an_import_that_begins_meanwhile(
    *, record: bool
) -> None:
    """What a user's block does to warnings, it does not do to those of an import."""
    raised: list[UserWarning] = []

    def work() -> None:
        with filters.own_filters():
            try:
                warnings.warn("of the module", UserWarning, stacklevel=1)
            except UserWarning as warning:
                raised.append(warning)

    warnings.simplefilter("ignore")
    with warnings.catch_warnings(record=record) as caught:
        warnings.simplefilter("always" if record else "error")
        worker = Steps(work)
        worker.next()
        worker.join()
    assert not caught
    assert raised == []


def test_nothing_is_left_once_the_last_import_has_ended() -> None:
    """Removal in the middle of an import takes effect when that ends."""
    own = filters.own_filters()
    worker = Steps(own.__enter__, lambda: own.__exit__(None, None, None))
    worker.next()
    filters.remove()
    assert type(warnings) is not types.ModuleType
    worker.next()
    assert type(warnings) is types.ModuleType
    worker.join()


def test_a_warning_on_its_way_when_the_originals_are_put_back() -> None:
    """It is shown: the function that shows it works to the end."""
    from_before = warnings._showwarnmsg  # type: ignore[attr-defined]
    with warnings.catch_warnings(record=True) as caught:
        message = warnings.WarningMessage("late", UserWarning, "file.py", 1)
        filters.remove()
        from_before(message)
        filters.install()
    assert [str(warning.message) for warning in caught] == ["late"]
