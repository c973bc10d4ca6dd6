"""What has come of the trials of one experiment, counted and in words."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.promises.experiment import Experiment, Kind, Outcome

KINDS: tuple[Kind, ...] = ("warmup", "control")
FAULTS_OF_CONTROL = 1
"""How many faults of a control's trial are told: they are expected."""


class Tally:
    """
    The trials of one experiment.

    Parameters
    ----------
    experiment : Experiment
        The one.

    Attributes
    ----------
    trials, broken : Counter
        How many of each kind have ended, and how many of these have found a fault.
    """

    def __init__(self, experiment: Experiment) -> None:
        self.experiment = experiment
        self.trials: Counter[Kind] = Counter()
        self.broken: Counter[Kind] = Counter()
        self._left = 0
        self._seconds = 0.0
        self._counts: dict[Kind, Counter[str]] = {kind: Counter() for kind in KINDS}
        # Seconds, and the seed of the trial that took them.
        self._longest: dict[Kind, dict[str, tuple[float, int]]] = {
            kind: {} for kind in KINDS
        }

    def announce(self, *trials: int) -> None:
        """Tell how many trials there will be."""
        self._left = sum(trials)

    def count(
        self, kind: Kind, seed: int, outcome: Outcome, seconds: float
    ) -> Iterator[str]:
        """Add what a trial has found, and yield what there is to tell at once."""
        self.trials[kind] += 1
        self.broken[kind] += bool(outcome.faults)
        self._left -= 1
        self._seconds += seconds
        self._counts[kind].update(outcome.counts)
        longest = self._longest[kind]
        for name, value in outcome.longest.items():
            longest[name] = max((value, seed), longest.get(name, (0.0, seed)))
        shown = outcome.faults
        if kind == "control":
            shown = shown[:FAULTS_OF_CONTROL]
        for fault in shown:
            words = " ".join(fault.split())
            yield f"{self.experiment.name}, {kind}, seed {seed}: {words}"
        rest = len(outcome.faults) - len(shown)
        if rest:
            yield f"{self.experiment.name}, {kind}, seed {seed}: and {rest} more"
        if not self._left:
            yield f"{self.experiment.name} is through, after {self._seconds:.0f} s"

    def row(self) -> str:
        """Return the row of the table."""
        experiment = self.experiment
        lacking = experiment.lacking()
        if lacking:
            tried = f"not tried: needs {', '.join(lacking)}"
            cells = [experiment.promise, tried, "", experiment.control, "", ""]
        else:
            cells = [
                *(experiment.promise, *self._cells("warmup")),
                *(experiment.control, *self._cells("control")),
            ]
        return f"| {' | '.join(cells)} |"

    def _cells(self, kind: Kind) -> tuple[str, str]:
        return f"{self.trials[kind]:,}", f"{self.broken[kind]:,}"

    def remarks(self) -> Iterator[str]:
        """Yield what stands below the table."""
        lacking = self.experiment.lacking()
        if lacking:
            yield f"{self.experiment.name}: not tried: needs {', '.join(lacking)}"
        for kind, counts in self._counts.items():
            if counts:
                words = (f"{name} {count:,}" for name, count in counts.items())
                yield f"{self.experiment.name}, {kind}: {', '.join(words)}"
        names = {name for values in self._longest.values() for name in values}
        for name in sorted(names):
            words = (
                f"{kind} {values[name][0]:.2f} s (seed {values[name][1]})"
                for kind, values in self._longest.items()
                if name in values
            )
            yield f"{self.experiment.name}: {name}: {', '.join(words)}"
