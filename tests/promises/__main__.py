"""The promises of the README, tried: ``python -m tests.promises``."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from tests.promises import (
    borrowed,
    exits,
    failures,
    forks,
    imports,
    interrupts,
    kernels,
    notebooks,
    output,
)
from tests.promises.command import main

if TYPE_CHECKING:
    from tests.promises.experiment import Experiment

_ORDER = """
    notebooks science imports peeks uses lazy failures records forks-torch forks-sklearn
    forks-pandas workers exits kernels interrupts filters settings output directory
    unload
""".split()  # noqa: SIM905 - a list of strings would take a page
"""Names of experiments, as the README has their promises."""

EXPERIMENTS: tuple[Experiment, ...] = tuple(
    sorted(
        (
            *notebooks.EXPERIMENTS,
            *imports.EXPERIMENTS,
            *failures.EXPERIMENTS,
            *forks.EXPERIMENTS,
            *exits.EXPERIMENTS,
            *kernels.EXPERIMENTS,
            *interrupts.EXPERIMENTS,
            *borrowed.EXPERIMENTS,
            *output.EXPERIMENTS,
        ),
        key=lambda experiment: _ORDER.index(experiment.name),
    )
)

if __name__ == "__main__":
    sys.exit(main(EXPERIMENTS))
