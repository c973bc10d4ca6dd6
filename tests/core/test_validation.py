"""Names are checked before anything changes."""

from __future__ import annotations

import math
import re
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor

    from ipywarmup.manager import WarmupManager

TIMEOUT = 10.0
NOTHING: dict[str, list[str]] = {"pending": [], "completed": [], "failed": []}

BAD_NAMES = [
    "",
    ".",
    "a..b",
    ".rel",
    "a.",
    "a b",
    "a-b",
    " a",
    "a ",
    "a\n",
    "1a",
    "a.1",
    "a/b",
    "a:b",
    "a\x00b",
    "\ud800",
    "a" * 10_240 + "-",
]


@pytest.fixture(params=["submit", "extend", "prepare"])
def entry(request: pytest.FixtureRequest) -> str:
    """Name each way in."""
    name: str = request.param
    return name


@pytest.mark.parametrize("lone", ["numpy", "", "numpy pandas", b"numpy"])
def test_a_lone_string_is_a_type_error(
    new_manager: Callable[..., WarmupManager], entry: str, lone: str
) -> None:
    """A string instead of a list is a TypeError that shows it, and changes nothing."""
    manager = new_manager()
    with pytest.raises(TypeError, match=re.escape(repr(lone))):
        getattr(manager, entry)(lone)
    assert manager.status() == NOTHING
    assert manager.canaries() == []
    assert not manager.is_done()


@pytest.mark.parametrize("stranger", [None, 1, b"json", ["json"], ("json",), re])
def test_anything_but_a_string_is_a_type_error(
    new_manager: Callable[..., WarmupManager], entry: str, stranger: object
) -> None:
    """A list that holds anything but strings is a TypeError, even at its end."""
    manager = new_manager()
    with pytest.raises(TypeError, match=re.escape(repr(stranger))):
        getattr(manager, entry)(["json", stranger])
    assert manager.status() == NOTHING
    assert manager.canaries() == []


@pytest.mark.parametrize("stranger", [None, 1, re])
def test_what_cannot_be_iterated_is_a_type_error(
    new_manager: Callable[..., WarmupManager], entry: str, stranger: object
) -> None:
    """Something that is no list at all is a TypeError, and changes nothing."""
    manager = new_manager()
    with pytest.raises(TypeError):
        getattr(manager, entry)(stranger)
    assert manager.canaries() == []
    assert not manager.is_done()


@pytest.mark.parametrize("bad", BAD_NAMES, ids=range(len(BAD_NAMES)))
def test_what_cannot_name_a_module_is_a_value_error(
    new_manager: Callable[..., WarmupManager], entry: str, bad: str
) -> None:
    """A name that is not absolute and dotted is a ValueError that names it."""
    manager = new_manager()
    with pytest.raises(ValueError, match=re.escape(repr(bad))):
        getattr(manager, entry)(["json", bad])
    assert manager.status() == NOTHING
    assert manager.canaries() == []
    assert not manager.is_done()


@pytest.mark.parametrize(
    ("bad", "error"), [("json", TypeError), ([1], TypeError), (["a..b"], ValueError)]
)
def test_a_refused_call_tells_nobody_and_costs_nothing(
    new_manager: Callable[..., WarmupManager],
    holding: tuple[Executor, deque[Callable[[], None]]],
    bad: object,
    error: type[Exception],
) -> None:
    """After a refused submit no callback came, no job started, and submit works."""
    pool, jobs = holding
    manager = new_manager(pool)
    told: list[object] = []
    manager.on_complete(told.append)
    manager.on_canary(told.append)
    with pytest.raises(error):
        manager.submit(bad)  # type: ignore[arg-type]
    assert not jobs
    assert told == []
    manager.submit(["json"])
    assert [record["canary_id"] for record in manager.canaries()] == [1]


def test_a_refused_extend_leaves_the_warmup_as_it_was(
    new_manager: Callable[..., WarmupManager],
    holding: tuple[Executor, deque[Callable[[], None]]],
) -> None:
    """A bad name in extend changes nothing of the warmup that runs."""
    pool, jobs = holding
    manager = new_manager(pool)
    manager.submit(["json"])
    before = manager.canaries()
    with pytest.raises(ValueError, match=re.escape("'a b'")):
        manager.extend(["re", "a b"])
    assert manager.canaries() == before
    assert manager.status() == {**NOTHING, "pending": ["json"]}
    assert len(jobs) == 1


def test_an_iterable_that_raises_changes_nothing(
    new_manager: Callable[..., WarmupManager], entry: str
) -> None:
    """The whole iterable is read before the first name is taken in."""

    def names() -> Iterator[str]:
        yield "json"
        raise LookupError("no more")

    manager = new_manager()
    with pytest.raises(LookupError, match="no more"):
        getattr(manager, entry)(names())
    assert manager.canaries() == []
    assert not manager.is_done()


@pytest.mark.parametrize("name", ["a" * 10_240, ".".join(["a"] * 5_120)])
def test_a_name_of_10_kilobytes_is_legal_and_fails(
    new_manager: Callable[..., WarmupManager], name: str
) -> None:
    """A very long name is taken in, and ends as a failed record like any other."""
    manager = new_manager()
    manager.submit([name])
    assert manager.wait(TIMEOUT)
    assert manager.status() == {**NOTHING, "failed": [name]}
    (record,) = manager.canaries()
    assert record["status"] == "failed"
    assert record["module"] == name
    assert record["error"].startswith(("ModuleNotFoundError: ", "RecursionError: "))
    assert record["hint"] is None


@pytest.mark.parametrize("name", ["class", "_", "ünïcode", "模块"])
def test_any_identifier_is_legal(
    new_manager: Callable[..., WarmupManager],
    holding: tuple[Executor, deque[Callable[[], None]]],
    name: str,
) -> None:
    """Keywords and letters of any script can name a module."""
    manager = new_manager(holding[0])
    manager.submit([name])
    assert manager.status()["pending"] == [name]


@pytest.mark.parametrize(
    ("name", "error"), [("", ValueError), (".rel", ValueError), (None, TypeError)]
)
def test_require_and_wait_check_names_too(
    new_manager: Callable[..., WarmupManager], name: str, error: type[Exception]
) -> None:
    """A bad name given to require or wait is refused the way submit refuses it."""
    manager = new_manager()
    loaded = set(sys.modules)
    with pytest.raises(error, match=re.escape(repr(name))):
        manager.require(name)
    with pytest.raises(error, match=re.escape(repr(name))):
        manager.wait(TIMEOUT, [name])
    assert set(sys.modules) == loaded


def test_wait_takes_no_lone_string(new_manager: Callable[..., WarmupManager]) -> None:
    """One string instead of a list of modules to wait for is a TypeError."""
    manager = new_manager()
    manager.submit(["json"])
    with pytest.raises(TypeError, match="'json'"):
        manager.wait(TIMEOUT, "json")


@pytest.mark.parametrize(
    ("timeout", "error"), [("5", TypeError), ([], TypeError), (math.nan, ValueError)]
)
def test_a_timeout_is_a_number(
    new_manager: Callable[..., WarmupManager], timeout: object, error: type[Exception]
) -> None:
    """Waiting for anything else is refused, whether there is something to wait for."""
    manager = new_manager()
    manager.submit([])
    with pytest.raises(error, match="a timeout is a number of seconds"):
        manager.wait(timeout)  # type: ignore[arg-type]
    with pytest.raises(error, match="a timeout is a number of seconds"):
        manager.require("json", timeout)  # type: ignore[arg-type]


@pytest.mark.parametrize("timeout", [math.inf, 1e300])
def test_a_timeout_may_be_longer_than_any_lock_waits(
    new_manager: Callable[..., WarmupManager], timeout: float
) -> None:
    """Such a wait has no limit."""
    manager = new_manager()
    manager.submit(["json"])
    assert manager.wait(timeout)


@pytest.mark.parametrize("callback", [None, 5, "x"])
def test_a_callback_can_be_called(
    new_manager: Callable[..., WarmupManager], callback: object
) -> None:
    """Anything else is refused when it is given, not when there is news."""
    manager = new_manager()
    for subscribe in (manager.on_canary, manager.on_complete):
        with pytest.raises(TypeError, match="a callback is a function"):
            subscribe(callback)  # type: ignore[arg-type]
