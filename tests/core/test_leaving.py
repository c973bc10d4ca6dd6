"""The moment at which the interpreter begins to leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    RunPython = Callable[..., subprocess.CompletedProcess[str]]

SCRIPT = """
import atexit, threading
over = threading.Event()
atexit.register(print, "exit handler")
def work():
    over.wait()
    print("thread")
threading.Thread(target=work).start()
{before}
from ipywarmup.leaving import when_leaving
def leave():
    print("leaving")
    over.set()
when_leaving(leave)
print("end of the script")
{after}
"""


def test_it_comes_before_threads_are_joined_and_handlers_run(
    run_python: RunPython,
) -> None:
    """It comes again among the handlers, should it have been left out before."""
    done = run_python(SCRIPT.format(before="", after=""))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        *("end of the script", "leaving", "thread", "leaving", "exit handler"),
    ]


def test_without_the_function_a_handler_is_that_moment(run_python: RunPython) -> None:
    """On a threading of another kind, threads are joined before."""
    before = "del threading._register_atexit"
    done = run_python(SCRIPT.format(before=before, after="over.set()"))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        *("end of the script", "thread", "leaving", "exit handler"),
    ]


def test_who_comes_too_late_is_called_at_once(run_python: RunPython) -> None:
    """A thread that goes on may be the first to ask."""
    done = run_python("""
        import threading
        from ipywarmup.leaving import when_leaving
        def work():
            threading.main_thread().join()
            when_leaving(lambda: print("too late"))
            print("thread")
        threading.Thread(target=work).start()
    """)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[:2] == ["too late", "thread"]
