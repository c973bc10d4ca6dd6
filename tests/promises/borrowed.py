"""What a warmup borrows, it gives back; and it keeps out of the user's filters."""

from __future__ import annotations

import functools
import importlib
import random
import time
import warnings
from typing import TYPE_CHECKING

from tests.promises.background import (
    LONGEST,
    PLAIN_POOL,
    Warmup,
    in_background,
    patiently,
    sample_heavy,
)
from tests.promises.experiment import Experiment
from tests.promises.program import answer_of, faults_of
from tests.promises.state import differences, state_of_interpreter

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.promises.experiment import Kind

MISSING = "throwaway_missing"
"""There is no such module: something to fail, and to retry."""


def settings_come_back(kind: Kind, seed: int) -> list[str]:
    """Import, meddle at random, and look whether all is as it was."""
    chance = random.Random(seed)  # noqa: S311 - a seed is the point
    names = [*sample_heavy(chance, 2, 4), MISSING]
    # What the trial itself brings along is there before.
    background = in_background(kind)
    before = state_of_interpreter()
    background.submit(chance.sample(names, 2))
    for _ in range(chance.randint(2, 6)):
        time.sleep(chance.uniform(0, 0.4))
        if isinstance(background, Warmup):
            meddle(background, chance, names)
        else:
            background.submit(chance.sample(names, 2))
    # A warmup that was reset last would be waited for until there is another.
    background.submit(["colorsys"])
    faults = [] if background.wait() else ["it has not come to an end"]
    found: list[str] = []

    def is_as_before() -> bool:
        found[:] = differences(before, state_of_interpreter())
        return not found

    # After a reset the import under way goes on, and nothing tells of its end.
    patiently(is_as_before, seconds=LONGEST / 3)
    return faults + found


def meddle(warmup: Warmup, chance: random.Random, names: list[str]) -> None:
    """Do one of the things that can be done in the middle of a warmup."""
    manager = warmup.manager
    ways: list[Callable[[], object]] = [
        lambda: manager.extend(chance.sample(names, 2)),
        lambda: manager.on_canary(lambda _: manager.status()),
        lambda: manager.on_complete(lambda _: manager.canaries()),
        lambda: manager.wait(chance.uniform(0, 0.3)),
        lambda: importlib.import_module(names[0]),
        lambda: manager.require(names[0], LONGEST),
        *(manager.cancel, manager.reset, manager.retry),
    ]
    chance.choice(ways)()


class OfTheTrial(UserWarning):
    """Nobody else has a filter for it."""


def filters_stay_apart(kind: Kind, seed: int, afterwards: list[str]) -> list[str]:
    """Enter `catch_warnings` blocks on the main thread, and look into each."""
    chance = random.Random(seed)  # noqa: S311
    names = sample_heavy(chance, 2, 4)
    background = in_background(kind)
    background.submit(names)
    faults: list[str] = []
    while not background.wait(0.0):
        action = chance.choice(["error", "ignore"])
        with warnings.catch_warnings(record=True) as shown:
            warnings.simplefilter(action, OfTheTrial)  # type: ignore[arg-type]
            for _ in range(chance.randint(1, 5)):
                if raises() != (action == "error") or shown:
                    faults.append(f"{action!r} was not in force within its block")
                time.sleep(chance.uniform(0, 0.02))
        if any(entry[2] is OfTheTrial for entry in warnings.filters):
            faults.append(f"{action!r} was still there after its block")
            warnings.filters[:] = [  # type: ignore[index]
                entry for entry in warnings.filters if entry[2] is not OfTheTrial
            ]
        time.sleep(chance.uniform(0, 0.01))
    faults += [
        f"{name}: {error}" for name, error in background.errors().items() if error
    ]
    there = filters_now()
    faults += [f"lost: {entry}" for entry in afterwards if entry not in there]
    faults += [f"left: {entry}" for entry in there if entry not in afterwards]
    return faults


def raises() -> bool:
    """Whether a warning is an error now."""
    try:
        warnings.warn("of the trial", OfTheTrial, stacklevel=1)
    except OfTheTrial:
        return True
    return False


def filters_now() -> list[str]:
    """Return the filters of the process, in words."""
    return [
        f"{action} {category!r} {getattr(message, 'pattern', message)!r}"
        f" {getattr(module, 'pattern', module)!r}"
        for action, message, category, module, _ in warnings.filters
    ]


def filters_of_foreground(names: list[str]) -> list[str]:
    """Import as a script does, and return the filters that there are then."""
    for name in names:
        importlib.import_module(name)
    return filters_now()


@functools.cache
def filters_after(names: tuple[str, ...]) -> list[str]:
    """Return the filters that a foreground import of these leaves."""
    found: list[str] = answer_of(filters_of_foreground, names).value
    return found


def try_filters(kind: Kind, seed: int) -> list[str]:
    """Run a trial with filters."""
    names = sample_heavy(random.Random(seed), 2, 4)  # noqa: S311
    return faults_of(filters_stay_apart, kind, seed, filters_after(tuple(names)))


EXPERIMENTS = (
    Experiment(
        name="settings",
        promise="When the last import has ended, however the warmup was meddled with,"
        " every setting, stream and function of the interpreter is what it was.",
        control=PLAIN_POOL,
        trial=functools.partial(faults_of, settings_come_back),
        trials=20,
        short=1,
    ),
    Experiment(
        name="filters",
        promise="Your `warnings.catch_warnings` blocks and the imports keep out of each"
        " other's filters. What a module adds to them for good is there for everybody.",
        control=PLAIN_POOL,
        trial=try_filters,
        trials=12,
        short=1,
    ),
)
