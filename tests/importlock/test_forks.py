"""Children forked in the middle of a warmup."""

from __future__ import annotations

import multiprocessing
import os
import sysconfig
from typing import TYPE_CHECKING, Any

import pytest

from tests.importlock.conftest import WAITING

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

# What a child looks at and does; `said_by_child`, which forks and returns what is said
# there, and `in_child`, which does all in one: "fine", or what is wrong.
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
    assert signals.patched() == signals.originals, "importlib"

def say(modules):
    try:
        check(modules)
    except BaseException:
        return traceback.format_exc()
    return "fine"

def said_by_child(say):
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        with open(writing, "w") as pipe:
            pipe.write(say())
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        said = pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    return said

def in_child(modules):
    return said_by_child(lambda: say(modules))
"""
# One package is half-built until somebody waits for it, one until a fork is over.
HALF = {
    "forking.py": CHILD,
    "waiting.py": WAITING,
    "half/__init__.py": """
        import half.part, signals
        signals.tell("half")
        signals.hear("waiting")
        answer = 42
    """,
    "half/part.py": "answer = 42",
    "other.py": "import half\nanswer = half.answer",
    "stuck/__init__.py": """
        import stuck.part, signals
        signals.tell("stuck")
        signals.hear("forked")
        answer = stuck.part.answer
    """,
    "stuck/part.py": "answer = 42",
}


def test_a_fork_waits_for_the_import_under_way(run_trial: RunTrial) -> None:
    """The child has all of it, nothing was begun meanwhile, and the log tells."""
    report = run_trial(
        "guarded",
        HALF,
        warm=["half", "other"],
        main="""
            import logging, signals
            told = []
            class Handler(logging.Handler):
                def emit(self, record):
                    told.append(record.getMessage())
            logging.getLogger("ipywarmup").addHandler(Handler())
            logging.getLogger("ipywarmup").setLevel("INFO")
            signals.hear("half")
            import forking, sys, waiting
            from ipywarmup.importlock import hooks
            hooks._WORTH_TELLING = 0.0
            waiting.watch()
            def say():
                half = sys.modules["half"]
                return repr((half.answer, type(half).__name__, "other" in sys.modules))
            said = forking.said_by_child(say)
            import other
            told = [line.partition(" ")[2][:6] for line in told]
            result = said, other.answer, told
        """,
    )
    assert report.errors == []
    assert report.result == "(\"(42, 'module', False)\", 42, ['fork w'])"


def test_children_of_the_main_thread(run_trial: RunTrial) -> None:
    """They import what was half-built and the rest; the parent goes on unharmed."""
    report = run_trial(
        "guarded",
        HALF,
        warm=["half", "other"],
        main="""
            import signals
            signals.hear("half")
            import forking, waiting
            waiting.watch()
            said = [forking.in_child(["half", "other", "json.tool"]) for _ in range(2)]
            import half
            result = *said, half.answer, type(half).__name__
        """,
    )
    assert report.result == "('fine', 'fine', 42, 'module')"
    assert report.errors == []


def test_a_fork_that_has_waited_for_too_long(run_trial: RunTrial) -> None:
    """Its child imports anew what stood still, a submodule that had ended included."""
    report = run_trial(
        "guarded",
        HALF,
        warm=["stuck", "other"],
        main="""
            import signals
            signals.hear("stuck")
            import forking
            from ipywarmup.importlock.hooks import hooks
            hooks.locks.patience = 0.05
            said = [forking.in_child(["stuck", "json.tool"]) for _ in range(2)]
            hooks.locks.patience = 10.0
            signals.tell("forked")
            import stuck
            result = *said, stuck.answer, type(stuck).__name__
        """,
    )
    assert report.result == "('fine', 'fine', 42, 'module')"
    assert report.errors == []


def test_a_fork_beside_an_import_without_end(run_trial: RunTrial) -> None:
    """It waits no longer than ten times as long as for one that stands still."""
    report = run_trial(
        "guarded",
        {
            **HALF,
            "endless.py": """
                import signals
                signals.tell("endless")
                step = 0
                while not signals.told("forked"):
                    step += 1
                    exec(f"step_{step} = 1")
            """,
        },
        warm=["endless"],
        main="""
            import signals
            signals.hear("endless")
            import forking
            from ipywarmup.importlock.hooks import hooks
            hooks.locks.patience = 0.05
            said = forking.in_child(["json.tool"])
            signals.tell("forked")
            result = said
        """,
    )
    assert report.result == "'fine'"
    assert report.errors == []


def test_a_fork_by_a_name_bound_before(run_trial: RunTrial) -> None:
    """Nobody can make it wait; its child imports anew what was half-built."""
    report = run_trial(
        "guarded",
        HALF,
        warm=["stuck"],
        main="""
            import os, signals
            signals.hear("stuck")
            import forking
            os.fork = next(
                function for function in signals.originals
                if getattr(function, "__name__", None) == "fork"
            )
            said = forking.in_child(["stuck", "json.tool"])
            signals.tell("forked")
            import stuck
            result = said, stuck.answer
        """,
    )
    assert report.result == "('fine', 42)"
    assert report.errors == []


def test_a_wait_of_a_fork_can_be_interrupted(run_trial: RunTrial) -> None:
    """Ctrl-C is raised where the fork is, no child is made, and the next fork works."""
    report = run_trial(
        "guarded",
        HALF,
        warm=["stuck", "other"],
        main="""
            import _thread, os, signals
            signals.hear("stuck")
            import forking
            from ipywarmup.importlock.hooks import hooks
            wait = hooks.locks._condition.wait
            def interrupted_wait(timeout=None):
                hooks.locks._condition.wait = wait
                _thread.interrupt_main()
                return wait(timeout)
            hooks.locks._condition.wait = interrupted_wait
            try:
                os.fork()
            except KeyboardInterrupt:
                result = "interrupted",
            try:
                os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                result += "no child",
            signals.tell("forked")
            signals.tell("waiting")
            import other
            result += forking.in_child(["other"]), other.answer
        """,
    )
    assert report.errors == []
    assert report.result == "('interrupted', 'no child', 'fine', 42)"


def test_nobody_stands_between_a_fork_and_its_caller(run_trial: RunTrial) -> None:
    """What Python says of the fork, a warning since 3.12, names the user's own line."""
    report = run_trial(
        "guarded",
        HALF,
        warm=["half"],
        main="""
            import os, signals, sys
            signals.hear("half")
            import waiting
            waiting.watch()
            callers = []
            def note(event, arguments):
                if event == "os.fork":
                    callers.append(sys._getframe(1).f_code.co_filename)
            sys.addaudithook(note)
            child = os.fork()
            if not child:
                os._exit(0)
            result = os.waitpid(child, 0)[1], callers
        """,
    )
    assert report.errors == []
    assert report.result == "(0, ['<main>'])"


def test_what_is_to_be_called_around_forks_is_called_in_pairs(
    run_trial: RunTrial,
) -> None:
    """What an import adds that the fork waits for is called before it, and after."""
    report = run_trial(
        "guarded",
        {
            **HALF,
            "adds.py": """
                import os, signals
                signals.tell("half")
                signals.hear("waiting")
                called = []
                os.register_at_fork(
                    before=lambda: called.append("before"),
                    after_in_parent=lambda: called.append("after"),
                )
            """,
        },
        warm=["adds"],
        main="""
            import os, signals
            signals.hear("half")
            import waiting
            waiting.watch()
            child = os.fork()
            if not child:
                os._exit(0)
            import adds
            result = os.waitpid(child, 0)[1], adds.called
        """,
    )
    assert report.errors == []
    assert report.result == "(0, ['before', 'after'])"


def test_a_child_of_multiprocessing(run_trial: RunTrial) -> None:
    """A pool of forked processes, as of a data loader, imports what it wants."""
    report = run_trial(
        "guarded",
        HALF,
        warm=["half", "other"],
        main="""
            import signals
            signals.hear("half")
            import forking, multiprocessing, waiting
            waiting.watch()
            context = multiprocessing.get_context("fork")
            reading, writing = context.Pipe(duplex=False)
            def work():
                writing.send(forking.say(["half", "other"]))
            process = context.Process(target=work)
            process.start()
            said = reading.recv()
            process.join()
            import half
            result = said, process.exitcode, half.answer
        """,
    )
    assert report.result == "('fine', 0, 42)"
    assert report.errors == []


@pytest.mark.parametrize("before", [None, "sys.stdout.flush"])
def test_a_subprocess(run_trial: RunTrial, before: str | None) -> None:
    """A new interpreter starts without waiting, with code to run before it, too."""
    report = run_trial(
        "guarded",
        HALF,
        warm=["stuck"],
        main=f"""
            import signals
            signals.hear("stuck")
            import subprocess, sys
            done = subprocess.run(
                [sys.executable, "-c", "import json.tool; print(42)"],
                capture_output=True, text=True, preexec_fn={before},
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


def test_a_child_of_a_thread_that_an_import_starts(run_trial: RunTrial) -> None:
    """It waits for no import: the one that has started it would never end."""
    report = run_trial(
        "guarded",
        {
            "forks.py": """
                import os, threading
                status = []
                def fork():
                    child = os.fork()
                    if not child:
                        import json.tool
                        os._exit(0)
                    status.append(os.waitpid(child, 0)[1])
                thread = threading.Thread(target=fork)
                thread.start()
                thread.join()
            """,
        },
        warm=["forks"],
        main="import forks; result = forks.status",
    )
    assert report.errors == []
    assert report.result == "[0]"


def test_two_threads_that_fork(run_trial: RunTrial) -> None:
    """Each lets go what it has held, though the other has begun meanwhile."""
    report = run_trial(
        "guarded",
        {},
        warm=[],
        main="""
            import threading
            from ipywarmup.importlock import bootstrap
            from ipywarmup.importlock.hooks import hooks
            main, second = threading.current_thread(), threading.Event()
            acquire = bootstrap.acquire_import_lock
            def acquire_import_lock():
                if threading.current_thread() is not main:
                    second.set()
                acquire()
            bootstrap.acquire_import_lock = acquire_import_lock
            def fork():
                hooks.before_fork()
                hooks.after_fork_in_parent()
            hooks.before_fork()
            thread = threading.Thread(target=fork)
            thread.start()
            second.wait()
            hooks.after_fork_in_parent()
            thread.join()
            thread = threading.Thread(target=__import__, args=("json.tool",))
            thread.start()
            thread.join()
            result = bootstrap.held_locks()
        """,
    )
    assert report.errors == []
    assert report.result == "[]"


@pytest.mark.parametrize(
    "function",
    [
        "before_fork",
        "after_fork_in_parent",
        "_acquire",
        "_release_all",
        "_stop_forking",
    ],
)
@pytest.mark.parametrize("event", ["call", "return"])
def test_an_interrupt_that_a_fork_loses(
    run_trial: RunTrial, function: str, event: str
) -> None:
    """Python drops what a signal raises in a handler of forks: nothing stays held."""
    report = run_trial(
        "guarded",
        {"forking.py": CHILD},
        warm=["forking"],
        main=f"""
            import os, signal, sys, threading, warnings
            from ipywarmup.importlock import bootstrap
            from ipywarmup.importlock.hooks import hooks
            warnings.simplefilter("ignore")
            import forking
            sys.unraisablehook = lambda _: None
            sent = []
            def interrupt(frame, event, _):
                code = frame.f_code
                if (event, code.co_name) == ({event!r}, {function!r}) and not sent:
                    sent.append(code.co_filename)
                    os.kill(os.getpid(), signal.SIGINT)
            sys.setprofile(interrupt)
            try:
                child = os.fork()
            except KeyboardInterrupt:
                child = None
            sys.setprofile(None)
            if child == 0:
                os._exit(0)
            if child:
                os.waitpid(child, 0)
            thread = threading.Thread(target=__import__, args=("json.tool",))
            thread.start()
            thread.join()
            held = bootstrap._bootstrap._imp.lock_held(), bool(hooks.locks)
            result = len(sent), held
        """,
    )
    assert report.errors == []
    assert report.result == "(1, (False, False))"


def test_a_fork_of_a_signal_handler_in_the_wait_of_another(run_trial: RunTrial) -> None:
    """It waits, too, and then the other one goes on."""
    report = run_trial(
        "guarded",
        HALF,
        warm=["half"],
        main="""
            import signal, signals
            signals.hear("half")
            import forking, sys, waiting
            waited = []
            def in_handler(*_):
                signal.setitimer(signal.ITIMER_REAL, 0)
                waiting.watch()
                waited.append(forking.said_by_child(say))
            def say():
                return type(sys.modules["half"]).__name__
            signal.signal(signal.SIGALRM, in_handler)
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            waited.append(forking.said_by_child(say))
            result = waited
        """,
    )
    assert report.errors == []
    assert report.result == "['module', 'module']"


def test_a_fork_amid_a_lock_of_the_standard_library(run_trial: RunTrial) -> None:
    """It waits until a lock is free that nothing would free in the child."""
    report = run_trial(
        "guarded",
        {
            "forking.py": CHILD,
            "waiting.py": WAITING,
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
                signals.hear("waiting")
                build_time_vars = {}
            """,
        },
        warm=["configured"],
        main="""
            import signals
            signals.hear("half")
            import forking, waiting
            waiting.watch()
            result = forking.in_child(["configured"])
            import configured, sys
            result = result, configured.version == "%d.%d" % sys.version_info[:2]
        """,
    )
    assert report.errors == []
    assert report.result == "('fine', True)"


@pytest.mark.parametrize("modules", [30, 200, 500])
def test_a_child_of_the_middle_of_heavy_packages(
    run_trial: RunTrial, modules: int
) -> None:
    """However far pandas and scikit-learn are, it imports them."""
    report = run_trial(
        "guarded",
        {"forking.py": CHILD},
        warm=[],
        main=f"""
            import forking, ipywarmup, signals, sys
            class Counter:
                # By modules, not by time: the middle is the middle on any machine.
                left = {modules}
                def find_spec(self, *_):
                    self.left -= 1
                    if not self.left:
                        signals.tell("moment")
            sys.meta_path.insert(0, Counter())
            manager = ipywarmup.get_manager()
            manager.extend(["pandas", "sklearn"])
            signals.hear("moment")
            said = forking.in_child(["numpy", "pandas", "sklearn"])
            import pandas, sklearn.ensemble
            result = said, pandas.DataFrame.__name__
        """,
    )
    assert report.result == "('fine', 'DataFrame')"
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
