"""Imports on several threads at once, beside a warmup: each of them succeeds."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import random
import sys
import tempfile
import textwrap
import threading
import time
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.promises.background import (
    PLAIN_POOL,
    Background,
    Warmup,
    describe,
    in_background,
)
from tests.promises.experiment import Experiment, Outcome, is_installed, run_script
from tests.promises.program import answer_of, faults_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.promises.experiment import Kind

MODULES = """
    numpy numpy.linalg numpy.fft numpy.random numpy.polynomial numpy.ma numpy.testing
    scipy scipy.stats scipy.optimize scipy.sparse scipy.sparse.linalg scipy.signal
    scipy.ndimage scipy.interpolate scipy.spatial scipy.integrate scipy.special
    scipy.linalg scipy.cluster.hierarchy
    sklearn sklearn.ensemble sklearn.linear_model sklearn.svm sklearn.cluster
    sklearn.pipeline sklearn.model_selection sklearn.preprocessing sklearn.neighbors
    sklearn.manifold sklearn.datasets
    pandas pandas.io.parsers pandas.io.sql pandas.plotting pandas.api.types
    pandas.testing
    matplotlib matplotlib.pyplot matplotlib.animation matplotlib.colors
    mpl_toolkits.mplot3d
    torch torch.nn torch.nn.functional torch.optim torch.utils.data torch.distributed
    torch.fx torch.jit
    statsmodels.api statsmodels.formula.api statsmodels.tsa.api
    sympy sympy.physics.units sympy.plotting sympy.stats
    pyarrow pyarrow.parquet pyarrow.dataset pyarrow.compute pyarrow.csv pyarrow.flight
    seaborn polars
    json asyncio unittest.mock multiprocessing.pool xml.dom.minidom email.message
    http.server sqlite3 logging.config importlib.metadata concurrent.futures.process
    ctypes.util decimal distutils pydoc doctest cProfile
""".split()  # noqa: SIM905 - a list of strings would take a page
LIMIT = 60.0
"""Seconds after which imports count as a hang; they take three or four."""


def import_at_random(kind: Kind, seed: int, modules: list[str]) -> dict[str, Any]:
    """Import by a warmup, here and on up to four threads; return what has failed."""
    chance = random.Random(seed)  # noqa: S311 - a seed is the point
    warm = chance.sample(modules, chance.randint(2, 6))
    shares = [chance.sample(modules, 2) for _ in range(chance.randint(1, 5))]
    sys.setswitchinterval(chance.choice([0.005, 0.001, 0.0001]))
    failed: list[tuple[str, str | None]] = []
    together = threading.Barrier(len(shares))

    def import_all(names: list[str]) -> None:
        together.wait()
        for name in names:
            try:
                importlib.import_module(name)
            except BaseException as error:
                failed.append((name, describe(error)))

    threads = [
        threading.Thread(target=import_all, args=(share,)) for share in shares[1:]
    ]
    for thread in threads:
        thread.start()
    background = in_background(kind)
    background.submit(warm)
    import_all(shares[0])
    background.wait()
    for thread in threads:
        thread.join()
    failed += [entry for entry in background.errors().items() if entry[1] is not None]
    strange = [
        f"{name} is not a plain module"
        for name, module in sys.modules.items()
        if isinstance(module, types.ModuleType)
        and type(module) is not types.ModuleType
        and type(module).__module__ == types.ModuleType.__module__
    ]
    return {
        "failed": failed,
        "left": background.left() + strange,
        "counts": counts_of(background),
    }


def counts_of(background: Background) -> dict[str, int]:
    """Return how often threads waited for each other, and the like."""
    if not isinstance(background, Warmup):
        return {}
    from ipywarmup.importlock.hooks import hooks  # noqa: PLC0415 - not in a control

    records = background.manager.canaries()
    retried = sum(record["attempts"] > 1 for record in records)
    return {**hooks.locks.counts._asdict(), "retried": retried}


@functools.cache
def is_importable(name: str) -> bool:
    """Whether a fresh interpreter imports a module."""
    done = run_script(f"import {name}")
    return done is not None and done.returncode == 0


def try_imports(kind: Kind, seed: int) -> Outcome:
    """Run a trial with random modules of those that are installed."""
    modules = [name for name in MODULES if is_installed(name.partition(".")[0])]
    answer = answer_of(import_at_random, kind, seed, modules, limit=LIMIT)
    if answer.value is None:
        return Outcome(list(answer.end))
    failed = [
        f"{name}: {error}"
        for name, error in answer.value["failed"]
        if is_importable(name)
    ]
    # What modules say on stderr is their own affair.
    return Outcome(failed + answer.value["left"], answer.value["counts"])


def peek(kind: Kind, seed: int) -> list[str]:
    """Use a library that looks for pandas, again and again while that is imported."""
    chance = random.Random(seed)  # noqa: S311
    pause = chance.choice([0.001, 0.005, 0.02])
    use = peeker(chance)
    names = ["pandas"]
    names += [name for name in ("seaborn", "statsmodels.api") if is_there(name)]
    background = in_background(kind)
    background.submit([chance.choice(names)])
    faults: dict[str, int] = {}
    uses = 0
    while uses < 3 or not background.wait(0.0):
        uses += 1
        try:
            use()
        except Exception as error:
            line = str(describe(error))
            faults[line] = faults.get(line, 0) + 1
        # Anything of pandas may be missing; each moment is one of its moments.
        time.sleep(pause)
    return [
        *(f"{count} of {uses} uses: {line}" for line, count in faults.items()),
        *(f"{name}: {error}" for name, error in background.errors().items() if error),
    ]


def is_there(name: str) -> bool:
    """Whether the package of a module is installed."""
    return is_installed(name.partition(".")[0])


def peeker(chance: random.Random) -> Callable[[], object]:
    """Return what asks whether its argument is pandas' own, once that is there."""
    if not is_installed("plotly"):
        return peek_as_plotly
    # pandas is not imported by it.
    graph_objects: Any = importlib.import_module("plotly.graph_objects")

    trace = getattr(graph_objects, chance.choice(["Scatter", "Bar", "Histogram"]))
    return lambda: trace(x=[1, 2, 3], name="a trace")


def peek_as_plotly() -> bool:
    """Look as plotly does where a list of numbers is expected."""
    pandas = sys.modules.get("pandas")
    if pandas is None:
        return False
    return isinstance([1, 2, 3], (pandas.Series, pandas.Index, pandas.DataFrame))


LAZY = {
    "numpy": ("numpy.linalg.norm", "import pandas", "from numpy import fft"),
    "pandas": ("pandas.DataFrame", "import seaborn", "import statsmodels.api"),
    "scipy": ("scipy.stats.norm", "import sklearn.ensemble", "import scipy.optimize"),
    "matplotlib": ("matplotlib.rcParams", "import matplotlib.pyplot", "import seaborn"),
    "sklearn": ("sklearn.base.clone", "from sklearn import svm", "import sklearn.tree"),
    "sympy": ("sympy.Symbol", "from sympy import stats", "import sympy.plotting"),
    "pyarrow": ("pyarrow.array", "import pyarrow.parquet", "import pandas"),
    "torch": ("torch.ones", "from torch import nn", "import torch.utils.data"),
}
"""A lazy module, what a warmed module looks up in it, and what uses it elsewhere."""


def touch_lazily(kind: Kind, seed: int, folder: str) -> list[str]:
    """Have the worker run a module's body by a look-up, and use that here meanwhile."""
    chance = random.Random(seed)  # noqa: S311
    name = chance.choice([name for name in LAZY if is_installed(name)])
    touched, *statements = LAZY[name]
    files = {
        "throwaway_toucher": f"import {name}\n{touched}\n",
        "throwaway_user": f"import {name}\nvalue = {touched}\n",
    }
    for module, source in files.items():
        Path(folder, f"{module}.py").write_text(source, encoding="utf-8")
    uses = [
        "import throwaway_user",
        f"from {touched.rpartition('.')[0]} import {touched.rpartition('.')[2]}",
        *(each for each in statements if is_there(each.split()[1])),
    ]
    put_lazy(name)
    background = in_background(kind)
    background.submit(["throwaway_toucher"])
    faults = []
    for use in chance.sample(uses, 2):
        time.sleep(chance.uniform(0, 0.3))
        try:
            exec(textwrap.dedent(use), {})  # noqa: S102 - a statement of LAZY
        except Exception as error:
            faults.append(f"{use}, {name} being lazy: {describe(error)}")
    background.wait()
    return faults + [
        f"{module}, {name} being lazy: {error}"
        for module, error in background.errors().items()
        if error
    ]


def put_lazy(name: str) -> None:
    """Have a module in `sys.modules` whose body runs when something is looked up."""
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.loader is not None
    spec.loader = importlib.util.LazyLoader(spec.loader)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


def try_lazy(kind: Kind, seed: int) -> list[str]:
    """Run a trial with a lazy module."""
    with tempfile.TemporaryDirectory() as folder:
        return faults_of(touch_lazily, kind, seed, folder, modules=folder)


USES = {
    "torch": "from torch.utils.data import DataLoader; list(DataLoader([1.0, 2.0]))",
    "torch.nn": "from torch.nn import Linear; Linear(2, 2)",
    "pandas": "from pandas.tseries.offsets import Day; Day(2).nanos",
    "pandas.api": "from pandas.api.types import is_list_like; is_list_like([])",
    "sklearn.ensemble": "from sklearn.utils import shuffle; shuffle([1, 2, 3])",
    "sklearn.svm": "from sklearn.linear_model import Ridge; Ridge().fit([[1]], [1])",
    "scipy.stats": "from scipy.optimize import brentq; brentq(lambda x: x - 1, 0, 3)",
    "matplotlib.pyplot": "from matplotlib.figure import Figure; Figure().add_subplot()",
    "numpy": "from numpy.random import default_rng; default_rng(0).normal(size=3)",
    "pyarrow.parquet": "from pyarrow.compute import sum; import pyarrow; sum([1, 2])",
    "statsmodels.api": "from statsmodels.tools import add_constant as add; add([1, 2])",
    "sympy": "from sympy.core.symbol import Symbol; Symbol('x') + 1",
    "polars": "from polars.functions import col; col('x') + 1",
}
"""What is warmed, and what is imported from a part of it, and used, meanwhile."""


def use_meanwhile(kind: Kind, seed: int) -> list[str]:
    """Import from a part of a package under way at a random moment, and use that."""
    chance = random.Random(seed)  # noqa: S311
    name, statement = chance.choice(uses())
    background = in_background(kind)
    background.submit([name])
    time.sleep(chance.uniform(0, 1.5))
    faults = []
    try:
        exec(statement, {})  # noqa: S102 - one of USES
    except Exception as error:
        faults.append(str(describe(error)))
    background.wait()
    return faults + [
        f"{module}: {error}" for module, error in background.errors().items() if error
    ]


def uses() -> list[tuple[str, str]]:
    """Return what there is to warm and to use."""
    return [(name, statement) for name, statement in USES.items() if is_there(name)]


def try_uses(kind: Kind, seed: int) -> list[str]:
    """Run a trial, and tell what was used if that broke."""
    _, statement = random.Random(seed).choice(uses())  # noqa: S311
    limit = LIMIT if kind == "warmup" else LIMIT / 5
    answer = answer_of(use_meanwhile, kind, seed, limit=limit)
    faults = [*(answer.value or []), *answer.end]
    return [f"{statement}: {fault}" for fault in faults]


EXPERIMENTS = (
    Experiment(
        name="imports",
        promise="An import that succeeds in a fresh interpreter succeeds while a warmup"
        " runs, on whichever thread, in whatever order.",
        control=PLAIN_POOL,
        trial=try_imports,
        trials=80,
        short=3,
    ),
    Experiment(
        name="peeks",
        promise="No thread sees a half-built module of another: plotly can be used"
        " while pandas is imported.",
        control=PLAIN_POOL,
        trial=functools.partial(faults_of, peek),
        trials=30,
        short=1,
        needs=("pandas",),
    ),
    Experiment(
        name="uses",
        promise="What you import from a part of a package meanwhile can be used at"
        " once.",
        control=PLAIN_POOL,
        trial=try_uses,
        trials=40,
        short=1,
        needs=("numpy",),
    ),
    Experiment(
        name="lazy",
        promise="The same holds for modules whose body runs when something is looked"
        " up in them (`importlib.util.LazyLoader`).",
        control=PLAIN_POOL,
        trial=try_lazy,
        trials=30,
        short=1,
        needs=("numpy",),
    ),
)
