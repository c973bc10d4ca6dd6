"""Children that are forked in the middle of an import: they import, and compute."""

from __future__ import annotations

import functools
import importlib
import os
import random
import select
import signal
import time
import traceback
import warnings
from typing import TYPE_CHECKING, Any

from tests.promises.background import PLAIN_POOL, in_background
from tests.promises.computing import COMPUTE, square
from tests.promises.experiment import Experiment, is_installed
from tests.promises.program import answer_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.promises.experiment import Kind

LONGEST: dict[Kind, float] = {"warmup": 60.0, "control": 12.0}
"""Seconds after which a child counts as hung. Most of the control's do, and none takes
more than three: nobody wants to wait a minute for each of them."""

FINE = "fine"


def fork_in_the_middle(
    kind: Kind, seed: int, modules: list[str], latest: float
) -> list[str]:
    """Fork at a random moment, and compute in the child and here."""
    # 3.12 does not like forks beside threads.
    warnings.filterwarnings("ignore", ".*fork", DeprecationWarning)
    chance = random.Random(seed)  # noqa: S311 - a seed is the point
    background = in_background(kind)
    background.submit(modules)
    time.sleep(chance.uniform(0.02, latest))
    said = said_by_child(modules, LONGEST[kind])
    faults = [] if said == FINE else [f"the child: {said}"]
    here = compute_with(modules)
    faults += [] if here == FINE else [f"the parent: {here}"]
    background.wait()
    return faults + [
        f"{name}: {error}" for name, error in background.errors().items() if error
    ]


def said_by_child(modules: list[str], seconds: float) -> str:
    """Fork, and return what the child says of itself."""
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.write(writing, compute_with(modules).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        ready, _, _ = select.select([pipe], [], [], seconds)
        said = pipe.read().decode() if ready else "hung"
    if not ready:
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return f"exit status {status}: {said}" if status and ready else said


def compute_with(modules: list[str]) -> str:
    """Import modules, compute with each, and return what is wrong."""
    try:
        for name in modules:
            importlib.import_module(name)
            COMPUTE[name.partition(".")[0]]()
    except BaseException as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(frame.filename)}:{frame.lineno}"  # noqa: PTH119
        return f"{type(error).__name__}: {str(error)[:300]} ({where})"
    return FINE


def try_fork(modules: list[str], latest: float, kind: Kind, seed: int) -> list[str]:
    """Run a trial with a fork."""
    answer = answer_of(fork_in_the_middle, kind, seed, modules, latest)
    return [*(answer.value or []), *answer.end]


def pool_of_multiprocessing(task: str) -> list[float]:
    """Compute in a pool of forked processes."""
    import multiprocessing  # noqa: PLC0415

    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.starmap(square, [(task, number) for number in range(4)])


def executor(task: str) -> list[float]:
    """Compute in an executor whose processes are forked."""
    import multiprocessing  # noqa: PLC0415
    from concurrent.futures import ProcessPoolExecutor  # noqa: PLC0415

    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        return list(pool.map(square, [task] * 4, range(4)))


def joblib_with(backend: str, task: str) -> list[float]:
    """Compute in processes of joblib."""
    joblib: Any = importlib.import_module("joblib")

    with joblib.parallel_config(backend=backend):
        results: list[float] = joblib.Parallel(n_jobs=2)(
            joblib.delayed(square)(task, number) for number in range(4)
        )
    return results


class Squares:
    """A dataset of torch: it is computed in the workers of a loader."""

    def __init__(self, task: str) -> None:
        self._task = task

    def __len__(self) -> int:
        """Return how many there are."""
        return 4

    def __getitem__(self, index: int) -> float:
        """Compute one."""
        return square(self._task, index)


def data_loader(task: str) -> list[float]:
    """Compute in the workers of a loader of torch."""
    data: Any = importlib.import_module("torch.utils.data")

    loader = data.DataLoader(Squares(task), batch_size=2, num_workers=2)
    return [float(value) for batch in loader for value in batch]


WORKERS: dict[str, tuple[str | None, Callable[[str], list[float]]]] = {
    "multiprocessing.Pool": (None, pool_of_multiprocessing),
    "ProcessPoolExecutor": (None, executor),
    "joblib, loky": ("joblib", functools.partial(joblib_with, "loky")),
    "joblib, multiprocessing": (
        "joblib",
        functools.partial(joblib_with, "multiprocessing"),
    ),
    "DataLoader": ("torch", data_loader),
}
"""What starts processes, and the package without which it is not there."""


def work_in_the_middle(kind: Kind, seed: int) -> list[str]:
    """Have processes of a random kind compute, started at a random moment."""
    warnings.filterwarnings("ignore", ".*fork", DeprecationWarning)
    chance = random.Random(seed)  # noqa: S311
    name, task = way_of(chance)
    names = ["pandas", "sklearn.ensemble", "scipy.stats"]
    names += [other for other in ("torch", "pyarrow") if is_installed(other)]
    # What the workers use is under way, or soon to be.
    names = [task, *chance.sample([other for other in names if other != task], 2)]
    background = in_background(kind)
    background.submit(names)
    time.sleep(chance.uniform(0.02, 1.0))
    faults = []
    try:
        results = WORKERS[name][1](task)
    except Exception as error:
        faults.append(f"{type(error).__name__}: {str(error)[-300:]}")
    else:
        if results != [0.0, 1.0, 4.0, 9.0]:
            faults.append(f"the results are {results}")
    background.wait()
    return faults + [
        f"{module}: {error}" for module, error in background.errors().items() if error
    ]


def way_of(chance: random.Random) -> tuple[str, str]:
    """Return what starts processes, and what these compute with."""
    found = [
        name
        for name, (package, _) in WORKERS.items()
        if package is None or is_installed(package)
    ]
    tasks = [
        name
        for name in ("torch", "pandas", "sklearn.ensemble")
        if is_installed(name.partition(".")[0])
    ]
    return chance.choice(found), chance.choice(tasks)


def try_workers(kind: Kind, seed: int) -> list[str]:
    """Run a trial with processes, and name them in what is broken."""
    name, task = way_of(random.Random(seed))  # noqa: S311
    answer = answer_of(work_in_the_middle, kind, seed, limit=LONGEST[kind])
    faults = [*(answer.value or []), *answer.end]
    return [f"{name}, {task}: {fault}" for fault in faults]


def of_packages(  # noqa: PLR0913 - what differs between them
    name: str,
    words: str,
    modules: list[str],
    *,
    latest: float,
    trials: int,
    short: int,
) -> Experiment:
    """Return the experiment with forks in the middle of some packages."""
    return Experiment(
        name=name,
        promise=f"A child that is forked in the middle of {words} can import that, and"
        " compute with it.",
        control=PLAIN_POOL,
        trial=functools.partial(try_fork, modules, latest),
        trials=trials,
        controls=8,
        short=short,
        needs=tuple(module.partition(".")[0] for module in modules),
    )


EXPERIMENTS: tuple[Experiment, ...] = (
    of_packages("forks-torch", "torch", ["torch"], latest=0.9, trials=40, short=1),
    of_packages(
        "forks-sklearn",
        "scikit-learn",
        ["sklearn.ensemble", "sklearn.linear_model"],
        latest=1.0,
        trials=30,
        short=1,
    ),
    of_packages(
        "forks-pandas",
        "pandas and pyarrow",
        ["pandas", "pyarrow.parquet"],
        latest=0.6,
        trials=30,
        short=1,
    ),
    Experiment(
        name="workers",
        promise="`multiprocessing`, `concurrent.futures`, joblib and a torch"
        " `DataLoader` return what they should, started in the middle of it.",
        control=PLAIN_POOL,
        trial=try_workers,
        trials=40,
        controls=10,
        short=2,
        needs=("pandas", "sklearn"),
    ),
)
if not hasattr(os, "fork"):
    EXPERIMENTS = ()
