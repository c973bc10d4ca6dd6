"""Imports that fail, and imports of what nobody typed."""

from __future__ import annotations

import importlib
import random
import sys
import tempfile
import textwrap
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from tests.promises.background import (
    PLAIN_POOL,
    Warmup,
    in_background,
    sample_heavy,
)
from tests.promises.experiment import Experiment, is_installed
from tests.promises.program import answer_of, faults_of

if TYPE_CHECKING:
    from importlib.machinery import ModuleSpec

    from tests.promises.experiment import Kind

REASONS = {
    "a missing module": "import {package}.nothing",
    "another missing module": "import throwaway_missing",
    "a missing name": "from {package}.part import nothing",
    "an error": "raise LookupError('no licence')",
    "a chain of errors": "try:\n    1 / 0\nexcept ArithmeticError:\n    int('x')",
    "an error of its own": "class Own(Exception): pass\nraise Own(1, 2)",
    "a circle": "from {package}.circle import nothing",
    "a syntax error": "import {package}.wrong",
    "an exit": "raise SystemExit(3)",
    "an interrupt": "raise KeyboardInterrupt",
    "a failure of a part": "import {package}.failing",
}


def write_package(folder: Path, package: str, chance: random.Random) -> str:
    """Write a package that fails somewhere, and return its reason."""
    reason = chance.choice(sorted(REASONS))
    line = REASONS[reason].format(package=package)
    heavy = chance.choice([name for name in ("numpy", "pandas") if is_installed(name)])
    body = [
        f"import {package}.part",
        f"import {heavy}",
        f"import time; time.sleep({chance.uniform(0, 0.2)})",
    ]
    chance.shuffle(body)
    files = {
        "__init__": "\n".join([*body, line]),
        "part": f"import {package}\nfrom {package}.deep import leaf\nPart = 'part'",
        "deep/__init__": f"from {package}.deep import leaf",
        "deep/leaf": "",
        "circle": f"from {package} import part, nothing",
        "wrong": "def def",
        "failing": f"import {package}.part\nraise LookupError('further down')",
    }
    for name, source in files.items():
        file = folder / package / f"{name}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(source, encoding="utf-8")
    return reason


def failure_of(statement: str) -> str:
    """Run a statement, and return what Python prints of what it raises."""
    try:
        exec(compile(statement, "<statement>", "exec"), {})  # noqa: S102
    except BaseException as error:
        frames = error.__traceback__ and error.__traceback__.tb_next
        return "".join(traceback.format_exception(type(error), error, frames))
    return "nothing was raised"


def failure_meanwhile(
    kind: Kind, names: list[str], statement: str, delay: float
) -> str:
    """Run a statement at some moment of a warmup."""
    background = in_background(kind)
    background.submit(names)
    time.sleep(delay)
    return failure_of(statement)


def fail_as_ever(kind: Kind, seed: int) -> list[str]:
    """Compare what an import raises beside a warmup and in a fresh interpreter."""
    chance = random.Random(seed)  # noqa: S311 - a seed is the point
    with tempfile.TemporaryDirectory() as folder:
        reason = write_package(Path(folder), "failing_one", chance)
        statement = chance.choice(
            [
                "import failing_one",
                "import failing_one.part",
                "from failing_one import part",
                "import failing_one.deep.leaf",
                "import importlib; importlib.import_module('failing_one')",
            ]
        )
        names = ["failing_one", *chance.choice([[], ["failing_one.deep"]])]
        delay = chance.choice([0.0, chance.uniform(0, 0.6), 1.5])
        plain = answer_of(failure_of, statement, modules=folder)
        beside = answer_of(
            failure_meanwhile, kind, names, statement, delay, modules=folder
        )
    if beside.value == plain.value is not None:
        return list(beside.end)
    found = str(beside.value).strip().splitlines()[-1:]
    expected = str(plain.value).strip().splitlines()[-1:]
    told = f"{reason}, {statement!r} after {delay:.2f} s: {found}, not {expected}"
    return [told, *beside.end]


WRITTEN: dict[str, tuple[str, str | None]] = {
    "raises": ("raise LookupError('no licence')", "LookupError: no licence"),
    "exits": ("import sys; sys.exit(3)", "SystemExit: 3"),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "misses": (
        "import throwaway_missing",
        "ModuleNotFoundError: No module named 'throwaway_missing'",
    ),
    "wrong": ("def def", "SyntaxError: invalid syntax (wrong.py, line 1)"),
    # Because another thread is in the middle of another module, as some extension
    # modules say it; alone it succeeds.
    "transient": (
        """
        import sys
        if "ready" not in vars(sys.modules.get("busy", sys)) and "busy" in sys.modules:
            raise ImportError("cannot import name 'ready' from partially initialized"
                              " module 'busy'")
        """,
        None,
    ),
}
"""Modules that the trial writes, and what has to come of their imports."""

BUSY = """
import time
time.sleep(0.5)
ready = True
"""
GATE = threading.Event()
NEVER_ENDS = f"from {__name__} import GATE\nGATE.wait()"
STUCK = 0.3
"""Of how many trials one module never ends."""


class Observer:
    """Sees on which threads modules are looked for."""

    def __init__(self) -> None:
        self.seen: dict[str, set[int]] = {}

    def find_spec(
        self, name: str, _path: object = None, _target: object = None
    ) -> ModuleSpec | None:
        """Find nothing, and remember who has asked."""
        self.seen.setdefault(name.partition(".")[0], set()).add(threading.get_ident())
        return None


def import_a_mixture(kind: Kind, names: list[str]) -> list[str]:
    """Import what fails and what does not, and look at what came of each."""
    background = in_background(kind)
    if isinstance(background, Warmup):
        # Less than ten seconds, to be through sooner.
        background.have_patience(2.0)
    observer = Observer()
    sys.meta_path.insert(0, observer)
    began = time.monotonic()
    background.submit(names)
    took = time.monotonic() - began
    importlib.import_module("busy")
    expected = {name: WRITTEN[name][1] if name in WRITTEN else None for name in names}
    awaited = [name for name in names if name != "never_ends"]
    faults = [] if background.wait(20.0, awaited) else ["it has not come to an end"]
    errors = background.errors()
    faults += [
        f"{name}: {errors[name]}, not {expected[name]}"
        for name in awaited
        if errors[name] != expected[name]
    ]
    sys.meta_path.remove(observer)
    faults += [
        f"{package} was imported on the main thread"
        for package in {name.partition(".")[0] for name in names}
        if threading.get_ident() in observer.seen.get(package, ())
    ]
    if took > 1:
        faults.append(f"submit took {took:.1f} s")
    GATE.set()
    return faults


def end_with_a_record(kind: Kind, seed: int) -> list[str]:
    """Have a random mixture imported."""
    chance = random.Random(seed)  # noqa: S311
    names = [*WRITTEN, *sample_heavy(chance, 1, 3)]
    if chance.random() < STUCK:
        names.append("never_ends")
    chance.shuffle(names)
    with tempfile.TemporaryDirectory() as folder:
        for name, (source, _) in WRITTEN.items():
            write(folder, name, source)
        write(folder, "busy", BUSY)
        write(folder, "never_ends", NEVER_ENDS)
        return faults_of(import_a_mixture, kind, names, modules=folder)


def write(folder: str, name: str, source: str) -> None:
    """Write a module."""
    file = Path(folder, f"{name}.py")
    file.write_text(textwrap.dedent(source), encoding="utf-8")


OPTIONAL = """
    bottleneck numexpr pytz cython lz4 scikits sksparse uarray cvxopt xarray gmpy2
    gmpy flint opt_einsum dill pydot monkeytype pynvml triton org argcomplete
""".split()  # noqa: SIM905 - a list of strings would take a page
"""What heavy modules look for, and do without."""

MARK = """
import pathlib, threading
# The trial itself imports on the main thread, as anybody may.
if threading.current_thread() is not threading.main_thread():
    pathlib.Path({file!r}).write_text("has run")
raise ImportError("a file of the working directory")
"""


def import_installed_only(kind: Kind, names: list[str]) -> list[str]:
    """Import what nobody has typed."""
    background = in_background(kind)
    if isinstance(background, Warmup):
        background.manager.prepare(names, installed_only=True)()
    else:
        background.submit(names)
    faults = [] if background.wait() else ["it has not come to an end"]
    errors = background.errors().items()
    return faults + [f"{name}: {error}" for name, error in errors if error is not None]


def keep_the_directory_out(kind: Kind, seed: int) -> list[str]:
    """Import where files have the names of optional packages."""
    chance = random.Random(seed)  # noqa: S311
    names = sample_heavy(chance, 2, 4)
    with tempfile.TemporaryDirectory() as folder:
        for name in OPTIONAL:
            if not is_installed(name):
                mark = str(Path(folder, f"{name}.mark"))
                write(folder, name, MARK.format(file=mark))
        # A script's own folder comes first on the path.
        faults = faults_of(import_installed_only, kind, names, cwd=folder)
        ran = sorted(mark.stem for mark in Path(folder).glob("*.mark"))
    return faults + [f"{name}.py of the working directory has run" for name in ran]


EXPERIMENTS = (
    Experiment(
        name="failures",
        promise="A failed import leaves nothing that changes your own: that raises what"
        " it raises in a fresh interpreter, with the same traceback.",
        control=PLAIN_POOL,
        trial=fail_as_ever,
        trials=40,
        short=2,
    ),
    Experiment(
        name="records",
        promise="Every module ends with a record: completed, or failed with Python's"
        " own error. An exit, a syntax error or an interrupt in one stops no other, nor"
        " does one that never ends; one that failed because another was under way is"
        " tried again. Nothing of it runs on the main thread.",
        control=PLAIN_POOL,
        trial=end_with_a_record,
        trials=20,
        controls=10,
        short=1,
    ),
    Experiment(
        name="directory",
        promise="For names that nobody typed (`%warmup notebook`, `%warmup file`, a"
        " start) no code of the working directory runs.",
        control=PLAIN_POOL,
        trial=keep_the_directory_out,
        trials=12,
        short=1,
    ),
)
