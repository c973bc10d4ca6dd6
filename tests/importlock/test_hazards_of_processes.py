"""What importing threads do to the end of a process and to its children."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, TypeAlias

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conftest import Gate
    from tests.importlock.conftest import Report

    Compare: TypeAlias = Callable[..., tuple[Report, Report]]
    Start: TypeAlias = Callable[..., "Leaving"]

# A bound on failure only: nothing waits that long in a test that passes.
TIMEOUT = 60.0

# How modules are imported on a thread, and how that is over.
WARM = {
    "naive": """
        import concurrent.futures, importlib
        pool = concurrent.futures.ThreadPoolExecutor(1)
        def warm(*names):
            for name in names:
                pool.submit(importlib.import_module, name)
        def end():
            pool.shutdown()
    """,
    "guarded": """
        import ipywarmup
        manager = ipywarmup.WarmupManager(log_to_stderr=False)
        def warm(*names):
            manager.submit(names)
        def end():
            manager.wait()
            manager.reset()
    """,
}
MARK = "\nimport pathlib; pathlib.Path(__file__).with_suffix('.imported').touch()\n"
QUEUE = ["blocked", *(f"later_{number}" for number in range(5))]


class Leaving:
    """A process in the middle of an import that is about to end."""

    def __init__(
        self, process: subprocess.Popen[str], folder: Path, leave: Callable[[], object]
    ) -> None:
        self.process = process
        self.leave = leave
        self._folder = folder

    def imported(self) -> set[str]:
        """Return the modules that were imported to their end."""
        return {path.stem for path in self._folder.glob("*.imported")}


@pytest.fixture
def importing(tmp_path: Path, new_gate: Callable[[], Gate]) -> Gate:
    """Write a queue of modules; return the gate that the first one blocks on."""
    gate = new_gate()
    for name in QUEUE:
        source = gate.source if name == "blocked" else ""
        (tmp_path / f"{name}.py").write_text(source + MARK, encoding="utf-8")
    return gate


@pytest.fixture
def leaving(tmp_path: Path, new_gate: Callable[[], Gate]) -> Gate:
    """Write a module that reports to a gate once its process has begun to end."""
    gate = new_gate()
    source = f"""
import threading
def report():
{textwrap.indent(gate.source, "    ")}
# Those of threads come before the interpreter waits for threads.
threading._register_atexit(report)
"""
    (tmp_path / "reporting.py").write_text(source, encoding="utf-8")
    return gate


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Return a function that starts a script or IPython, which imports the queue."""
    processes: list[subprocess.Popen[str]] = []

    def run(kind: str, front: str) -> Leaving:
        code = f"import sys; sys.path.insert(0, {str(tmp_path)!r})"
        code += f"{textwrap.dedent(WARM[kind])}\nimport reporting\nwarm(*{QUEUE!r})\n"
        (tmp_path / "session.py").write_text(code, encoding="utf-8")
        command = [sys.executable, "-i", "-q"]
        if front == "IPython":
            command = [sys.executable, "-m", "IPython", "--simple-prompt"]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "IPYTHONDIR": str(tmp_path / "ipython")},
        )
        processes.append(process)
        assert process.stdin is not None
        process.stdin.write("exec(open('session.py').read())\n")
        process.stdin.flush()
        return Leaving(process, tmp_path, process.stdin.close)

    yield run
    for process in processes:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.parametrize("front", ["python", "IPython"])
def test_a_naive_process_waits_for_the_whole_queue(
    start: Start, importing: Gate, leaving: Gate, front: str
) -> None:
    """It does not end before the last import of those that it was to do has."""
    process = start("naive", front)
    importing.wait_until_reached()
    process.leave()
    leaving.wait_until_reached()
    leaving.open()
    assert process.imported() == set()
    importing.open()
    assert process.process.wait(TIMEOUT) == 0
    assert process.imported() == set(QUEUE)


@pytest.mark.parametrize("front", ["python", "IPython"])
def test_a_guarded_process_waits_for_no_import(
    start: Start, importing: Gate, leaving: Gate, front: str
) -> None:
    """It ends in the middle of one that never does, and begins no other."""
    process = start("guarded", front)
    importing.wait_until_reached()
    process.leave()
    leaving.wait_until_reached()
    leaving.open()
    # The gate is still closed: had anything waited for it, this would not end.
    assert process.process.wait(TIMEOUT) == 0
    assert process.imported() == set()


@pytest.mark.parametrize("kind", ["naive", "guarded"])
def test_a_module_that_needs_the_thread_that_imported_it(
    tmp_path: Path, kind: str
) -> None:
    """After a warmup that thread is there, as pyarrow, for one, wants it to be."""
    (tmp_path / "native.py").write_text(
        textwrap.dedent("""
            import threading, weakref
            class State:
                pass
            local = threading.local()
            local.state = State()
            state = weakref.ref(local.state)
        """),
        encoding="utf-8",
    )
    script = "\nwarm('native')\nend()\nimport native\nprint(native.state() is None)"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WARM[kind]) + script],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        cwd=tmp_path,
        check=False,
    )
    assert done.stderr == ""
    assert done.stdout == f"{kind == 'naive'}\n"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes do not fork here")
def test_a_fork_in_the_middle_of_an_import(compare: Compare) -> None:
    """A child imports what its parent was importing, and waits for no lost thread."""
    naive, guarded = compare(
        {
            "half.py": """
                import signals
                signals.tell("half")
                signals.hear("forked")
                answer = 42
            """,
        },
        warm=["half"],
        main="""
            import importlib, os, signals, sys, warnings
            warnings.simplefilter("ignore")  # 3.12 does not like forks beside threads
            def import_half():
                reference = importlib._bootstrap._module_locks.get("half", lambda: None)
                owner = getattr(reference(), "owner", None)
                if owner is not None and owner not in sys._current_frames():
                    return "it waits for a thread that is not there"
                signals.open()
                import half
                return str(half.answer)
            signals.hear("half")
            from ipywarmup.importlock.hooks import hooks
            hooks.locks.patience = 0.05  # the fork waits no longer than that
            reading, writing = os.pipe()
            child = os.fork()
            if not child:
                said = import_half()
                os.write(writing, said.encode())
                os._exit(0)
            os.close(writing)
            with open(reading) as pipe:
                result = pipe.read()
            os.waitpid(child, 0)
            signals.tell("forked")
            import half
            result += f", then {half.answer}"
        """,
    )
    assert naive.result == "'it waits for a thread that is not there, then 42'"
    assert guarded.result == "'42, then 42'"
    assert guarded.errors == []
