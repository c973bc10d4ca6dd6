"""Children forked in the middle of a warmup."""

from __future__ import annotations

import multiprocessing
import os
import sysconfig
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.importlock.conftest import Report

    RunTrial = Callable[..., Report]

pytestmark = pytest.mark.skipif(
    not hasattr(os, "fork") or "fork" not in multiprocessing.get_all_start_methods(),
    reason="processes do not fork here",
)

_sysconfig: Any = sysconfig
CONFIGURATION = _sysconfig._get_sysconfigdata_name()
"""What the first look at the configuration of Python imports."""

# What a child looks at and does, and `in_child`, which does it in one and returns what
# it says: "fine", or what is wrong.
CHILD = """
import importlib, os, signals, sys, threading, traceback, warnings
warnings.simplefilter("ignore")  # 3.12 does not like forks beside threads

def check(modules):
    from ipywarmup import get_manager
    from ipywarmup.importlock.hooks import hooks
    signals.open()
    assert threading.active_count() == 1, threading.enumerate()
    assert signals.patched()[-2:] == signals.originals[-2:], "the streams"
    assert not hooks.locks, "the locks are held"
    manager = get_manager()
    assert not manager.status()["pending"], manager.status()
    manager.reset()
    manager.submit(["colorsys", *modules])
    for module in modules:
        importlib.import_module(module)
        assert sys.modules[module].__spec__._initializing is False
    assert manager.wait(30), manager.status()
    assert manager.status()["failed"] == [], manager.canaries()
    # Until what was half-built is imported anew, importlib has to be helped.
    for name in list(hooks._unfinished):
        importlib.import_module(name)
    assert signals.patched() == signals.originals, "importlib"

def say(modules):
    try:
        check(modules)
    except BaseException:
        return traceback.format_exc()
    return "fine"

def in_child(modules):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        with open(writing, "w") as pipe:
            pipe.write(say(modules))
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        said = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    return said
"""
HALF = {
    "forking.py": CHILD,
    "half/__init__.py": """
        import half.part, signals
        signals.tell("half")
        signals.hear("forked")
        answer = 42
    """,
    "half/part.py": "",
    "other.py": "import half\nanswer = half.answer",
}


def test_a_child_of_the_main_thread(run_trial: RunTrial) -> None:
    """It imports what was half-built and the rest; the parent goes on unharmed."""
    report = run_trial(
        "guarded",
        HALF,
        warm=["half", "other"],
        main="""
            import signals
            signals.hear("half")
            import forking
            said = [forking.in_child(["half", "other", "json.tool"]) for _ in range(2)]
            signals.tell("forked")
            import half
            result = *said, half.answer, type(half).__name__
        """,
    )
    assert report.result == "('fine', 'fine', 42, 'module')"
    assert report.errors == []


def test_a_child_of_multiprocessing(run_trial: RunTrial) -> None:
    """A pool of forked processes, as of a data loader, imports what it wants."""
    report = run_trial(
        "guarded",
        HALF,
        warm=["half", "other"],
        main="""
            import signals
            signals.hear("half")
            import forking, multiprocessing
            context = multiprocessing.get_context("fork")
            reading, writing = context.Pipe(duplex=False)
            def work():
                writing.send(forking.say(["half", "other"]))
            process = context.Process(target=work)
            process.start()
            said = reading.recv()
            process.join()
            signals.tell("forked")
            import half
            result = said, process.exitcode, half.answer
        """,
    )
    assert report.result == "('fine', 0, 42)"
    assert report.errors == []


def test_a_subprocess(run_trial: RunTrial) -> None:
    """A new interpreter, with code of ours to run before it, starts as ever."""
    report = run_trial(
        "guarded",
        HALF,
        warm=["half"],
        main="""
            import signals
            signals.hear("half")
            import subprocess, sys
            done = subprocess.run(
                [sys.executable, "-c", "import json.tool; print(42)"],
                capture_output=True, text=True, preexec_fn=lambda: sys.stdout.flush(),
            )
            signals.tell("forked")
            result = done.returncode, done.stdout, done.stderr
        """,
    )
    assert report.result == "(0, '42\\n', '')"
    assert report.errors == []


def test_a_child_of_the_worker(run_trial: RunTrial) -> None:
    """A module that forks while it is imported goes on in both processes."""
    report = run_trial(
        "guarded",
        {
            "forks.py": """
                import os, signals
                reading, writing = os.pipe()
                child = os.fork()
                if not child:
                    import json.tool, forks, part
                    import ipywarmup
                    manager = ipywarmup.WarmupManager(log_to_stderr=False)
                    manager.submit(["colorsys", "part"])
                    assert manager.wait(30)
                    os.write(writing, repr(manager.status()["completed"]).encode())
                    os._exit(0)
                os.close(writing)
                said = open(reading).read()
                status = os.waitpid(child, 0)[1]
                import part
            """,
            "part.py": "",
        },
        warm=["forks"],
        main="import forks; result = forks.said, forks.status",
    )
    assert report.result == "(\"['colorsys', 'part']\", 0)"
    assert report.errors == []


def test_a_fork_amid_a_lock_of_the_standard_library(run_trial: RunTrial) -> None:
    """It waits until a lock is free that nothing would free in the child."""
    report = run_trial(
        "guarded",
        {
            "forking.py": CHILD,
            "configured.py": """
                import sys, sysconfig
                sys.modules.pop(sysconfig._get_sysconfigdata_name(), None)
                sysconfig._CONFIG_VARS = None
                sysconfig._CONFIG_VARS_INITIALIZED = False
                version = sysconfig.get_config_var("py_version_short")
            """,
            f"{CONFIGURATION}.py": """
                import signals
                signals.tell("half")
                signals.hear("looked")
                build_time_vars = {}
            """,
        },
        warm=["configured"],
        main="""
            import signals
            from ipywarmup.importlock import bootstrap
            is_loading = bootstrap.is_loading
            def look(frame):
                loading = is_loading(frame)
                signals.tell("looked")
                return loading
            bootstrap.is_loading = look
            signals.hear("half")
            import forking
            result = forking.in_child(["configured"])
            import configured, sys
            result = result, configured.version == "%d.%d" % sys.version_info[:2]
        """,
    )
    assert report.errors == []
    assert report.result == "('fine', True)"


def test_children_of_random_moments(run_trial: RunTrial) -> None:
    """Twenty forks in the middle of pandas and scikit-learn: all import them."""
    report = run_trial(
        "guarded",
        {"forking.py": CHILD},
        warm=[],
        main="""
            import forking, ipywarmup, random, signals, sys
            class Counter:
                # By modules, not by time: the middle is the middle on any machine.
                moments = random.Random(3).sample(range(1, 700), 20)
                seen = 0
                def find_spec(self, *_):
                    self.seen += 1
                    if self.seen in self.moments:
                        signals.tell("moment")
            counter = Counter()
            sys.meta_path.insert(0, counter)
            manager = ipywarmup.get_manager()
            manager.extend(["pandas", "sklearn"])
            said = []
            for time in range(1, 21):
                signals.hear("moment", time)
                said.append(forking.in_child(["numpy", "pandas", "sklearn"]))
            import pandas, sklearn.ensemble
            result = set(said), pandas.DataFrame.__name__
        """,
    )
    assert report.result == "({'fine'}, 'DataFrame')"
    assert report.errors == []


def test_forks_beside_a_finder_that_imports(run_trial: RunTrial) -> None:
    """It has the import lock and wants that of a package, as the fork wants both."""
    report = run_trial(
        "guarded",
        {
            "finding.py": """
                import sys
                class Finder:
                    def find_spec(name, path=None, target=None):
                        if name.startswith("finding_"):
                            __import__(name.replace("finding", "found"))
                sys.meta_path.insert(0, Finder)
            """,
            **{f"finding_{number}.py": "" for number in range(300)},
            **{f"found_{number}.py": "" for number in range(300)},
        },
        warm=[],
        main="""
            import finding, os, sys, threading, warnings
            warnings.simplefilter("ignore")  # 3.12 does not like forks beside threads
            from ipywarmup.importlock.hooks import hooks
            def work():
                with hooks.borrowed():
                    for number in range(300):
                        __import__(f"finding_{number}")
            thread = threading.Thread(target=work)
            thread.start()
            status = set()
            while not status or thread.is_alive():
                child = os.fork()
                if not child:
                    os._exit(0)
                status.add(os.waitpid(child, 0)[1])
            found = {f"found_{number}" for number in range(300)}
            result = status, found <= set(sys.modules)
        """,
    )
    assert report.errors == []
    assert report.result == "({0}, True)"
