"""Trees of imports: how records become them, and how they are drawn and written."""

from __future__ import annotations

import json
import re
import time
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipywarmup.importlock.traces import Lane, Record, Trace
from ipywarmup.report import files, icicle, text
from ipywarmup.report.tree import Branch, Node, branches, grow
from ipywarmup.report.views import ReportView

if TYPE_CHECKING:
    from pathlib import Path


def node(module: str, begin: float, end: float, *children: Node) -> Node:
    """Return an import that never waits, times in milliseconds."""
    return Node(module, begin / 1000, end / 1000, children=list(children))


PANDAS = node(
    "pandas",
    0,
    100,
    node("pandas.core", 10, 70, node("numpy", 20, 50)),
    node("pandas.io", 70, 90),
)


def records_of(root: Node, depth: int = 0) -> list[Record]:
    """Return the records of which a tree is grown, in the order of their ends."""
    within = [each for child in root.children for each in records_of(child, depth + 1)]
    own = Record(root.module, depth, root.begin, root.end, root.waited, root.failed)
    return [*within, own]


def trace_of(*lanes: tuple[str, str | None, list[Record]]) -> Trace:
    """Return a trace that holds these records."""
    trace = Trace()
    for thread, started_by, records in lanes:
        trace.lanes.append(Lane(trace, thread, started_by))
        trace.lanes[-1].records += records
    return trace


@st.composite
def trees(draw: st.DrawFn, begin: int = 0, end: int = 10_000, depth: int = 0) -> Node:
    """Draw a tree whose imports are within each other, times in milliseconds."""
    marks = draw(st.lists(st.integers(begin, end), max_size=6, unique=True))
    marks.sort()
    children = []
    if depth < 3:
        for first, last in zip(marks[::2], marks[1::2], strict=False):
            children.append(draw(trees(first, last, depth + 1)))
    return node(f"m{depth}.x{begin}", begin, end, *children)


@given(st.lists(trees(), max_size=3))
def test_trees_grow_from_their_records(roots: list[Node]) -> None:
    """Whatever was within what is found again."""
    records = [record for root in roots for record in records_of(root)]
    assert grow(trace_of(("t", None, records)).lanes[0]) == roots


@given(trees())
def test_times_themselves_make_up_the_whole(root: Node) -> None:
    """What each module took itself adds up to what the import took."""
    total = sum(each.self_ms for _, each in root.walk())
    assert total == pytest.approx(root.cumulative_ms, abs=1e-6)


def test_an_import_that_goes_on_has_no_tree_yet() -> None:
    """What is within it comes with it, when it has ended."""
    *within, _ = records_of(PANDAS)
    done = records_of(node("json", 0, 5))
    (root,) = grow(trace_of(("t", None, [*done, *within])).lanes[0])
    assert root.module == "json"


def test_a_module_is_found_wherever_it_was_imported() -> None:
    """With the threads that its import has started, and no others."""
    trace = trace_of(
        ("worker", None, records_of(PANDAS)),
        ("helper", "pandas.core", records_of(node("scipy", 30, 40))),
        ("other", "pandas.io", records_of(node("lxml", 80, 85))),
    )
    assert [branch.thread for branch in branches(trace)] == [
        "worker",
        "helper",
        "other",
    ]
    found = branches(trace, "pandas.core")
    assert [(branch.thread, branch.roots[0].module) for branch in found] == [
        *(("worker", "pandas.core"), ("helper", "scipy")),
    ]
    assert branches(trace, "nosuch") == []


def test_waiting_counts_neither_as_own_time() -> None:
    """It is part of the total alone, and said."""
    waiting = Node("a", 0.0, 0.1, waited=0.03)
    assert waiting.self_ms == pytest.approx(70)
    assert text.describe(waiting) == "100.0 ms, itself 70.0 ms, waited 30.0 ms"


def test_text_lists_the_tree() -> None:
    """Each import stands below the one that caused it, with both of its times."""
    branch = Branch("ipywarmup-0", None, [PANDAS])
    assert text.render([branch]).splitlines() == [
        "4 modules in 100.0 ms on ipywarmup-0",
        "  in total      itself  module",
        "  100.0 ms     20.0 ms  pandas",
        "   60.0 ms     30.0 ms    pandas.core",
        "   30.0 ms     30.0 ms      numpy",
        "   20.0 ms     20.0 ms    pandas.io",
        "",
        text.costliest([branch]),
    ]
    assert text.costliest([branch]) == (
        "Most of it: pandas.core 30.0 ms, numpy 30.0 ms, pandas 20.0 ms, pandas.io"
        " 20.0 ms"
    )


def test_text_sums_up_what_is_cheap() -> None:
    """A thousand modules are a page, and nothing of the time is lost."""
    children = [node(f"part{number}", number, number + 1) for number in range(1000)]
    lines = text.render([Branch("t", "json", [node("all", 0, 1000, *children)])])
    shown = lines.splitlines()
    assert shown[0] == "1001 modules in 1.00 s on t, started by json"
    assert len(shown) == text.MOST_ROWS + 5
    assert shown[-3].split() == [f"{1001 - text.MOST_ROWS}.0", "ms", "…", "961", "more"]


def test_a_thousand_modules_are_a_page_of_text() -> None:
    """However many were asked for, the costliest are listed."""
    roots = [node(f"m{number}", number, number + 0.5) for number in range(1000)]
    lines = text.render([Branch("t", None, [*roots, PANDAS])]).splitlines()
    assert len(lines) == text.MOST_ROWS + 5
    assert "  100.0 ms     20.0 ms  pandas" in lines


@given(st.lists(trees(), max_size=3))
def test_boxes_lie_within_those_that_caused_them(roots: list[Node]) -> None:
    """Each is below and within its cause, and no two of a row overlap."""
    rows: dict[int, list[icicle.Box]] = {}
    for box in icicle.boxes(roots):
        assert 0 <= box.left <= box.left + box.width <= 1 + 1e-9
        if box.depth:
            above = rows[box.depth - 1][-1]
            assert above.left - 1e-9 <= box.left
            assert box.left + box.width <= above.left + above.width + 1e-9
        row = rows.setdefault(box.depth, [])
        assert not row or row[-1].left + row[-1].width <= box.left + 1e-9
        row.append(box)


def test_picture_says_what_it_shows() -> None:
    """It has a name for who does not see it, a title for each box, and a mark beside
    the colour of what has failed.
    """
    failed = Node("a.<b>", 0.05, 0.1, failed=True)
    root = Node("a", 0.0, 0.1, children=[failed])
    drawn = icicle.render(Branch("t", None, [root]), "Where & what")
    assert 'role="img" aria-label="Where &amp; what"' in drawn
    assert "<title>a: 100.0 ms, itself 50.0 ms</title>" in drawn
    assert "<title>a.&lt;b&gt;: 50.0 ms, itself 50.0 ms, failed</title>" in drawn
    assert ">✗ &lt;b&gt;</text>" in drawn
    assert re.findall(r'(?:src|href)="', drawn) == []


def test_nothing_in_a_name_becomes_markup() -> None:
    """Names come from files; half a surrogate pair can be sent, too."""
    evil = "<img src=x onerror=alert(1)>\ud800"
    view = ReportView([Branch(evil, evil, [node(evil, 0, 10)])], dropped=3)
    bundle = view._repr_mimebundle_()
    tags: list[str] = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, _: tags.append(tag)  # type: ignore[method-assign,assignment]
    parser.feed(bundle["text/html"])
    assert "img" not in tags
    assert bundle["text/html"].encode()
    assert "Not kept: 3 more" in bundle["text/plain"]


def well_nested(events: list[dict[str, Any]]) -> bool:
    """Whether events of a lane that overlap are within each other."""
    open_until: list[float] = []
    for event in sorted(events, key=lambda each: (each["ts"], -each["dur"])):
        while open_until and open_until[-1] <= event["ts"]:
            open_until.pop()
        end = event["ts"] + event["dur"]
        # Sums of numbers with one digit behind the point.
        if open_until and end > open_until[-1] + 1e-6:
            return False
        open_until.append(end)
    return True


@given(st.lists(trees(), min_size=1, max_size=2))
def test_trace_has_a_lane_for_each_thread_and_one_of_stalls(roots: list[Node]) -> None:
    """Events have what the format asks for, and are within each other in a lane."""
    shift = time.time() - time.perf_counter()
    found = [Branch("w", None, roots[:1]), Branch("h", "m0", roots[1:])]
    content = files.as_trace(found, [{"start_ts": shift + 1.0, "duration_ms": 20.0}])
    events = json.loads(json.dumps(content))["traceEvents"]
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    assert names == {1: "w", 2: "h, started by m0", 3: "stalls of the main thread"}
    timed = [event for event in events if event["ph"] == "X"]
    for event in timed:
        assert event["dur"] >= 0
        assert isinstance(event["ts"], float)
        assert {"name", "pid", "tid", "cat"} <= event.keys()
    count = sum(1 for root in roots for _ in root.walk())
    assert len(timed) == count + 1
    for lane in names:
        assert well_nested([event for event in timed if event["tid"] == lane])
    (stall,) = (event for event in timed if event["tid"] == 3)
    assert stall["dur"] == pytest.approx(20_000, abs=1)
    assert stall["ts"] == pytest.approx(1e6 * (1.0 - roots[0].begin), abs=1e4)


def test_json_holds_the_whole_tree() -> None:
    """Times are milliseconds from the first import on."""
    content = files.as_json([Branch("w", None, [PANDAS])], [])
    (thread,) = content["threads"]
    (root,) = thread["imports"]
    core, io = root["imports"]
    assert (core["module"], core["begin_ms"], core["self_ms"]) == (
        *("pandas.core", pytest.approx(10)),
        pytest.approx(30),
    )
    assert (io["cumulative_ms"], io["imports"]) == (pytest.approx(20), [])


def test_files_are_written_once_more_but_nothing_else_is(tmp_path: Path) -> None:
    """A file of our own is renewed; one of somebody else, or a folder, stays."""
    ours, theirs = tmp_path / "ours.json", tmp_path / "work.ipynb"
    for _ in range(2):
        files.write(str(ours), files.as_json([], []))
        files.write(str(ours), files.as_trace([], []))
    theirs.write_text('{"cells": []}')
    with pytest.raises(files.FileError, match="holds something else; name another"):
        files.write(str(theirs), files.as_json([], []))
    assert theirs.read_text() == '{"cells": []}'
    for place in (str(tmp_path), str(tmp_path / "nosuch" / "x.json"), "a\0b"):
        with pytest.raises(files.FileError, match="cannot be written: ") as raised:
            files.write(place, files.as_json([], []))
        assert "\n" not in str(raised.value)
