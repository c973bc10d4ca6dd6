"""What modules print while they are imported, and where it ends up."""

from __future__ import annotations

import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.promises.background import PLAIN_POOL, Warmup, in_background, sample_heavy
from tests.promises.experiment import Experiment
from tests.promises.program import answer_of

if TYPE_CHECKING:
    from tests.promises.experiment import Kind

STRAY = "of a module"

WAYS = (
    f"print('{STRAY}')",
    f"print('{STRAY}', flush=True)",
    f"import sys; sys.stdout.write('{STRAY}\\n')",
    f"import sys; sys.stdout.writelines(['{STRAY}', '\\n'])",
    f"import sys; print('{STRAY}', file=sys.stderr)",
    f"import sys; sys.stderr.write('{STRAY}')",
    f"import logging; logging.warning('{STRAY}')",
    f"import warnings; warnings.warn('{STRAY}', UserWarning, stacklevel=1)",
)
"""Ways to say something on import."""


def write_module(folder: Path, name: str, chance: random.Random) -> int:
    """Write a module that says something again and again; return how often."""
    heavy = sample_heavy(chance, 0, 1)
    lines = [
        *chance.choices(WAYS, k=chance.randint(1, 4)),
        *(f"import {name}" for name in heavy),
        f"import time; time.sleep({chance.uniform(0, 0.1)})",
    ]
    chance.shuffle(lines)
    # The same warning of the same line is shown once only, of another one again.
    (folder / f"{name}.py").write_text("\n".join(lines), encoding="utf-8")
    return sum(line in WAYS for line in lines)


def print_meanwhile(kind: Kind, seed: int, names: list[str]) -> list[list[str | None]]:
    """Print on the main thread until all is imported; return what of whom was kept."""
    chance = random.Random(seed)  # noqa: S311 - a seed is the point
    background = in_background(kind)
    background.submit(names)
    number = 0
    while not background.wait(0.0):
        number += 1
        print(f"own line {number}")  # noqa: T201 - that is what is tried
        print(f"own complaint {number}", file=sys.stderr)  # noqa: T201
        time.sleep(chance.uniform(0, 0.005))
    if not isinstance(background, Warmup):
        return [[name, None] for name in names]
    return [
        [record["module"], record["output"]]
        for record in background.manager.canaries()
        if record["module"] in names
    ]


def print_at_random(kind: Kind, seed: int) -> list[str]:
    """Have modules that print imported, and look at all that was printed."""
    chance = random.Random(seed)  # noqa: S311
    with tempfile.TemporaryDirectory() as folder:
        said = {
            name: write_module(Path(folder), name, chance)
            for name in (f"talking_{number}" for number in range(chance.randint(1, 4)))
        }
        names = [*said, *sample_heavy(chance, 1, 2)]
        chance.shuffle(names)
        answer = answer_of(print_meanwhile, kind, seed, names, modules=folder)
    if answer.value is None:
        return list(answer.end)
    faults = []
    for stream, text, own in (
        ("stdout", answer.stdout, "own line"),
        ("stderr", answer.stderr, "own complaint"),
    ):
        lines = text.splitlines()
        if lines != [f"{own} {number + 1}" for number in range(len(lines))]:
            strays = [line for line in lines if not line.startswith(f"{own} ")]
            faults.append(f"{stream} is not the main thread's alone: {strays[:3]}")
    for name, output in answer.value:
        kept = (output or "").count(STRAY)
        # A warning comes with the line that it is of.
        if name in said and kept < said[name]:
            faults.append(f"{name}: {kept} of {said[name]} lines are in the record")
    return faults


EXPERIMENTS = (
    Experiment(
        name="output",
        promise="What a module prints, logs or warns of on import lands in no cell; it"
        " is in the record, and in the table.",
        control=PLAIN_POOL,
        trial=print_at_random,
        trials=12,
        short=1,
    ),
)
