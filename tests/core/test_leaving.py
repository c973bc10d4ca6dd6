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
atexit.register(when_leaving, lambda: print("too late"))
print("end of the script")
{after}
"""


def test_it_comes_before_threads_are_joined_and_handlers_run(
    run_python: RunPython,
) -> None:
    """Who asks for it later still is called at once."""
    done = run_python(SCRIPT.format(before="", after=""))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        *("end of the script", "leaving", "thread", "too late", "exit handler"),
    ]


def test_without_the_function_the_first_handler_is_that_moment(
    run_python: RunPython,
) -> None:
    """On a threading of another kind an exit handler is registered."""
    done = run_python(
        SCRIPT.format(before="del threading._register_atexit", after="over.set()")
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "leaving" in done.stdout.splitlines()[2:]
