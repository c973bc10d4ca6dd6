"""Processes that leave, or fork, while native code of an import runs."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING

import pytest

from ipywarmup.responsiveness import sharedlibs
from tests.slowlibrary import FOLDER, NAMES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.slowlibrary import Events, SlowLibrary

    Run = Callable[..., subprocess.CompletedProcess[str]]

TIMEOUT = 30.0

pytestmark = pytest.mark.skipif(
    not sharedlibs._is_supported(), reason="not the loader of glibc on Linux"
)

forks_late = pytest.mark.skipif(
    sys.version_info[:2] == (3, 12), reason="3.12 forks no more once it leaves"
)

# A script whose main thread goes on while the library is constructed, which lasts until
# the process leaves, and for 0.4 s from then on: longer than an exit waits for workers.
PREAMBLE = """
import atexit, gc, os, signal, sys, threading
import ipywarmup
manager = ipywarmup.WarmupManager(log_to_stderr=False)
"""
AMID_CONSTRUCTORS = """
manager.submit(["slowly"])
wait_until_reached()
go_on_when_leaving()
atexit.register(tell, "handler")
"""
IN_ORDER = ["constructing", "leaving", "constructed", "handler", "destroying"]


@pytest.fixture
def run(slow_library: SlowLibrary, events: Events) -> Run:
    """Return a function that runs a script beside the library."""

    def run_script(script: str, **modules: str) -> subprocess.CompletedProcess[str]:
        folder = events.folder / "modules"
        folder.mkdir(exist_ok=True)
        for name, source in modules.items():
            file = folder / f"{name}.py"
            file.write_text(textwrap.dedent(source), encoding="utf-8")
        path = f"import sys\nsys.path += {[str(slow_library.folder), str(folder)]!r}\n"
        program = path + events.script + PREAMBLE + textwrap.dedent(script)
        return subprocess.run(
            [sys.executable, "-W", "ignore::DeprecationWarning", "-c", program],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )

    return run_script


def test_the_library_is_opened_before_its_module(
    slow_library: SlowLibrary, run: Run
) -> None:
    """Otherwise the tests below would show nothing."""
    done = run(f"""
        from ipywarmup.responsiveness.sharedlibs import open_needed
        go_on()
        print(open_needed({str(slow_library.module)!r}))
        import slowly
        print(slowly.count())
    """)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"[{str(slow_library.path)!r}]\n{NAMES}\n"


@pytest.mark.parametrize(
    ("end", "status"),
    [
        pytest.param("", 0, id="the end of the script"),
        pytest.param("sys.exit(3)", 3, id="sys.exit"),
        pytest.param("del manager; gc.collect()", 0, id="a collected manager"),
        pytest.param(
            "ended = threading.Thread(target=sys.exit); ended.start(); ended.join()",
            0,
            id="sys.exit on another thread",
        ),
    ],
)
def test_an_exit_waits_for_constructors(
    run: Run, events: Events, end: str, status: int
) -> None:
    """However a process leaves, nothing is taken down beside them."""
    done = run(AMID_CONSTRUCTORS + end)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")
    assert events.told == IN_ORDER


def test_an_unhandled_exception_waits_for_constructors(
    run: Run, events: Events
) -> None:
    """It is shown, and nothing else."""
    done = run(AMID_CONSTRUCTORS + "raise ValueError('nobody handles it')")
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback (most recent call last):\n")
    assert done.stderr.endswith("\nValueError: nobody handles it\n")
    assert len(done.stderr.splitlines()) <= 4
    assert events.told == IN_ORDER


def test_an_exit_within_an_exit_waits_for_constructors(
    run: Run, events: Events
) -> None:
    """An exit handler that exits itself changes nothing."""
    leave_again = "\natexit.register(sys.exit, 3)"
    control = run(leave_again)
    done = run(AMID_CONSTRUCTORS + leave_again)
    assert (done.returncode, done.stderr) == (control.returncode, control.stderr)
    assert events.told == IN_ORDER


def test_an_exit_with_a_thread_waits_for_constructors(run: Run, events: Events) -> None:
    """One that keeps the process alive changes nothing."""
    done = run(
        """
def outlive():
    threading.main_thread().join()
    tell("thread")
threading.Thread(target=outlive).start()
"""
        + AMID_CONSTRUCTORS
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    order = events.told
    assert order.index("thread") < order.index("handler")
    order.remove("thread")
    assert order == IN_ORDER


def test_an_interrupted_exit_waits_for_constructors(run: Run, events: Events) -> None:
    """A Ctrl-C amid the wait ends nothing that the process could not do without."""
    done = run(
        """
        manager.submit(["slowly"])
        wait_until_reached()
        threading._register_atexit(go_on, "leaving", b"i")
        """
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert events.told == ["constructing", "leaving", "constructed", "destroying"]


def test_an_exit_that_is_interrupted_early_waits_for_constructors(
    run: Run, events: Events
) -> None:
    """A Ctrl-C in what others do as the interpreter leaves skips the rest of that."""
    done = run(
        """
        manager.submit(["slowly"])
        wait_until_reached()
        def go_on_and_fail():
            go_on()
            raise KeyboardInterrupt
        threading._register_atexit(go_on_and_fail)
        """
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert events.told == ["constructing", "leaving", "constructed", "destroying"]


@pytest.mark.parametrize("known", [False, True], ids=["first", "later"])
def test_nothing_is_opened_beside_the_end_of_the_interpreter(
    run: Run, events: Events, *, known: bool
) -> None:
    """Once the main thread has ended, libraries come as they would without help."""
    done = run(
        f"""
        {"import ipywarmup.responsiveness.loader" if known else ""}
        import late_signals
        def outlive():
            threading.main_thread().join()
            go_on()
            late_signals.gate.set()
            wait_until_reached()
            tell("thread")
        threading.Thread(target=outlive).start()
        manager.submit(["late"])
        assert late_signals.half.wait(10)
        """,
        late_signals="""
        import threading
        half, gate = threading.Event(), threading.Event()
        """,
        late="""
        import late_signals
        late_signals.half.set()
        late_signals.gate.wait()
        import slowly
        """,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert events.told == [
        "leaving",
        "constructing",
        "constructed",
        "thread",
        "destroying",
    ]


CHILD = """
def check_in_child():
    import ctypes
    signal.alarm(10)
    tell("forked")
    assert ctypes.CDLL(OTHER).other() == 42
    import slowly
    assert slowly.count() == NAMES
def fork_and_check(fork):
    child = fork()
    if not child:
        try:
            check_in_child()
        except BaseException:
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
"""


def child(slow_library: SlowLibrary) -> str:
    """Return the code of what forks and looks whether the child can open libraries."""
    return f"OTHER, NAMES = {str(slow_library.other)!r}, {NAMES}\n{CHILD}"


@pytest.mark.parametrize(
    ("fork", "patience"), [("os.fork", 10.0), ("os.fork", 0.01), ("fork", 10.0)]
)
def test_a_fork_waits_for_constructors(
    run: Run, events: Events, slow_library: SlowLibrary, fork: str, patience: float
) -> None:
    """The child has all of the library, can open others, and no patience ends that."""
    done = run(
        child(slow_library)
        + f"""
from os import fork
from ipywarmup.importlock.hooks import hooks
hooks.locks.patience = {patience}
manager.submit(["slowly"])
wait_until_reached()
go_on("forking")
fork_and_check({fork})
"""
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert events.told == [
        "constructing",
        "forking",
        "constructed",
        "forked",
        "destroying",
    ]


@forks_late
@pytest.mark.parametrize("fork", ["os.fork", "fork"])
def test_a_thread_forks_once_the_main_thread_has_ended(
    run: Run, events: Events, slow_library: SlowLibrary, fork: str
) -> None:
    """It need not wait for what keeps libraries from being opened then."""
    done = run(
        child(slow_library)
        + f"""
from os import fork
def outlive():
    threading.main_thread().join()
    fork_and_check({fork})
threading.Thread(target=outlive).start()
signal.alarm(20)
"""
        + AMID_CONSTRUCTORS
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert sorted(events.told) == sorted([*IN_ORDER, "forked"])


@forks_late
def test_an_exit_handler_forks(
    run: Run, events: Events, slow_library: SlowLibrary
) -> None:
    """It may, after the constructors."""
    done = run(
        child(slow_library)
        + AMID_CONSTRUCTORS
        + "\natexit.register(fork_and_check, os.fork)\nsignal.alarm(20)"
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert events.told == [*IN_ORDER[:3], "forked", *IN_ORDER[3:]]


# A module in a function of the library that lets the interpreter's lock go.
CALLING = """
import ctypes, os
library = ctypes.CDLL({path!r})
os.environ.update({environment!r})
library.{function}()
import colorsys, after
"""
AFTER = "import __main__; __main__.tell('imported')"


def calling(slow_library: SlowLibrary, events: Events, function: str) -> str:
    """Return the source of a module that calls a function of the library."""
    environment = {FOLDER: str(events.folder)}
    path = str(slow_library.path)
    return CALLING.format(path=path, environment=environment, function=function)


def test_an_exit_waits_for_native_code_for_a_moment(
    run: Run, events: Events, slow_library: SlowLibrary
) -> None:
    """The worker comes to its next import, where it stops, before any is taken down."""
    done = run(
        f"""
        del os.environ[{FOLDER!r}]  # until the library is constructed
        atexit.register(tell, "handler")
        manager.submit(["calling"])
        wait_until_reached()
        go_on_when_leaving()
        """,
        calling=calling(slow_library, events, "slowly_work"),
        after=AFTER,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert events.told == ["working", "leaving", "worked", "handler", "destroying"]


def test_an_exit_does_not_wait_for_native_code_without_end(
    run: Run, events: Events, slow_library: SlowLibrary
) -> None:
    """What may never come to its next import is left where it is."""
    done = run(
        f"""
        del os.environ[{FOLDER!r}]
        atexit.register(tell, "handler")
        manager.submit(["calling"])
        wait_until_reached()
        """,
        calling=calling(slow_library, events, "slowly_stay"),
        after=AFTER,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert events.told == ["staying", "handler", "destroying"]


@pytest.mark.parametrize(("enabled", "core"), [(False, "0"), (True, "limits[1]")])
def test_what_happens_in_a_crash_stays_as_the_user_set_it(
    run: Run, *, enabled: bool, core: str
) -> None:
    """Neither traces of faults nor core dumps come or go with a warmup."""
    done = run(
        f"""
        import faulthandler, json, resource
        def state():
            return faulthandler.is_enabled(), resource.getrlimit(resource.RLIMIT_CORE)
        limits = resource.getrlimit(resource.RLIMIT_CORE)
        resource.setrlimit(resource.RLIMIT_CORE, ({core}, limits[1]))
        if {enabled}:
            faulthandler.enable()
        states = [state()]
        manager.submit(["slowly"])
        wait_until_reached()
        states.append(state())
        go_on()
        assert manager.wait(20)
        states.append(state())
        print(json.dumps(states))
        """
    )
    assert (done.returncode, done.stderr) == (0, "")
    before, during, after = json.loads(done.stdout)
    assert before == during == after
    assert before[0] is enabled
