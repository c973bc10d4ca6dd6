"""What each thread imports, noted down module by module."""

from __future__ import annotations

import gc
import re
import subprocess
import sys
import threading
import weakref
from typing import TYPE_CHECKING

import pytest

from ipywarmup.importing import import_module, import_on_worker
from ipywarmup.importlock import traces
from ipywarmup.importlock.hooks import hooks
from ipywarmup.importlock.traces import Lane, Trace, tracing
from ipywarmup.report.tree import branches

if TYPE_CHECKING:
    from tests.importlock.conftest import Write

TIMEOUT = 10.0
pytestmark = pytest.mark.usefixtures("in_place")


@pytest.fixture
def trace() -> Trace:
    """Return a trace without any record."""
    return Trace()


def modules(lane: Lane) -> list[tuple[int, str]]:
    """Return depth and module of each record, names of packages taken off."""
    return [(record.depth, record.module.partition(".")[2]) for record in lane.records]


def test_records_are_nested_as_the_imports_are(write: Write, trace: Trace) -> None:
    """Each module that was loaded has one record, inner ones before outer ones."""
    name = write(
        "from PACKAGE import a, b",
        a="from . import deep\nimport PACKAGE.b",
        b="from . import deep",
        deep="import json",
    )
    outcome = import_on_worker(name, trace=trace)
    assert outcome.exception is None
    (lane,) = trace.lanes
    assert lane.thread_name == threading.current_thread().name
    assert modules(lane) == [(2, "deep"), (2, "b"), (1, "a"), (0, "")]
    for record in lane.records:
        assert record.begin < record.end
        assert record.waited == 0.0
        assert not record.failed


def test_a_failed_import_is_told_apart(write: Write, trace: Trace) -> None:
    """So is the one around it, unless that goes on without."""
    name = write(
        "try:\n    import PACKAGE.bad\nexcept OSError:\n    pass\nimport PACKAGE.worse",
        bad="raise OSError",
        worse="raise SystemExit",
    )
    import_on_worker(name, trace=trace)
    (lane,) = trace.lanes
    assert [(record.depth, record.failed) for record in lane.records] == [
        *((1, True), (1, True), (0, True)),
    ]


def test_a_thread_of_an_import_has_a_lane_of_its_own(
    write: Write, trace: Trace
) -> None:
    """What it imports is not mixed up with what the import itself goes on with."""
    name = write(
        """
        import threading
        def work():
            import PACKAGE.elsewhere
        thread = threading.Thread(target=work, name="helper")
        thread.start()
        import PACKAGE.here
        thread.join()
        """,
        here="",
        elsewhere="",
    )
    import_on_worker(name, trace=trace)
    mine, its = trace.lanes
    assert modules(mine) == [(1, "here"), (0, "")]
    assert (its.thread_name, its.started_by) == ("helper", name)
    assert modules(its) == [(0, "elsewhere")]


def test_threads_of_one_name_have_lanes_of_their_own(
    write: Write, trace: Trace
) -> None:
    """Each thread goes on in its own lane, whatever it is called."""
    names = [write() for _ in range(4)]
    both = threading.Barrier(2)

    def work(first: str, second: str) -> None:
        both.wait(TIMEOUT)
        import_on_worker(first, trace=trace)
        both.wait(TIMEOUT)
        import_on_worker(second, trace=trace)

    threads = [
        threading.Thread(target=work, args=pair, name="same")
        for pair in (names[:2], names[2:])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    found = sorted([record.module for record in lane.records] for lane in trace.lanes)
    assert found == sorted([names[:2], names[2:]])


def test_a_trace_that_nobody_has_is_not_kept(write: Write) -> None:
    """A worker lives on, what it has noted down does not."""
    trace = Trace()
    import_on_worker(write(), trace=trace)
    gone = weakref.ref(trace)
    del trace
    gc.collect()
    assert gone() is None


def test_waiting_is_told_from_importing(write: Write, trace: Trace) -> None:
    """What another thread imports is waited for, and costs the importer nothing."""
    reached, gate = threading.Event(), threading.Event()
    shared = sys.modules.setdefault("hooked_shared", type(sys)("hooked_shared"))
    vars(shared).update(reached=reached, gate=gate, timeout=TIMEOUT)
    slow = write(
        "import hooked_shared as shared\nshared.reached.set()\n"
        "assert shared.gate.wait(shared.timeout)"
    )
    needs = write(f"import {slow}")
    hooks.borrow()
    try:
        other = threading.Thread(target=import_module, args=(slow,))
        other.start()
        assert reached.wait(TIMEOUT)
        worker = threading.Thread(
            target=import_on_worker, args=(needs,), kwargs={"trace": trace}
        )
        worker.start()
        while not hooks.locks._graph.blockers(worker.ident or 0):
            assert worker.is_alive()
        gate.set()
        worker.join(TIMEOUT)
        other.join(TIMEOUT)
    finally:
        gate.set()
        hooks.give_back()
    (record,) = trace.lanes[0].records
    assert record.module == needs
    assert 0 < record.waited <= record.end - record.begin
    (branch,) = branches(trace)
    assert branch.roots[0].self_ms < branch.roots[0].cumulative_ms


def test_what_is_too_much_is_counted(
    write: Write, trace: Trace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond the limit only what is around a kept import is kept."""
    monkeypatch.setattr(traces, "MOST_RECORDS", 2)
    parts = {f"part{number}": "" for number in range(5)}
    name = write("\n".join(f"import PACKAGE.{part}" for part in parts), **parts)
    import_on_worker(name, trace=trace)
    (lane,) = trace.lanes
    assert modules(lane) == [(1, "part0"), (1, "part1"), (0, "")]
    assert trace.dropped == 3


def test_without_a_trace_nothing_is_noted(write: Write, trace: Trace) -> None:
    """Neither beside a traced block nor after it."""
    with hooks.borrowed(), tracing(trace):
        assert traces.lane() is trace.lanes[0]
        other = threading.Thread(target=import_module, args=(write(),))
        other.start()
        other.join(TIMEOUT)
    import_module(write())
    assert traces.lane() is None
    assert trace.lanes[0].records == []


REAL = """
import ctypes
from ipywarmup import WarmupManager
manager = WarmupManager(log_to_stderr=False)
manager.submit(["xml.dom.minidom", "email.mime.text", "numpy"])
manager.wait()
for record in manager.run.trace.lanes[0].records:
    print(record.module)
"""


def test_records_of_real_packages_are_those_of_importtime() -> None:
    """What `-X importtime` lists for the same imports, where one thread makes them."""
    traced = subprocess.run(
        [sys.executable, "-c", REAL], capture_output=True, text=True, check=True
    ).stdout.split()
    # What the manager brings itself is there in both.
    plain = (
        "import ctypes, ipywarmup.manager, sys\nsys.stderr.write('BEGIN\\n')\n"
        "import xml.dom.minidom, email.mime.text, numpy"
    )
    told = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", plain],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    _, _, told = told.partition("BEGIN\n")
    listed = re.findall(r"^import time: .*\| +(\S+)$", told, re.MULTILINE)
    assert len(traced) > 100
    # Found, and not loaded: what there is no module of.
    missing = set(listed) ^ set(traced)
    assert len(missing) < 0.05 * len(traced), missing
