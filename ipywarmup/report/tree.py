"""Imports as trees: what each has caused, and how long that took."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ipywarmup.importlock.traces import Lane, Record, Trace


@dataclass
class Node:
    """
    An import, and those within it.

    Parameters
    ----------
    module : str
    begin, end : float
        Seconds of `time.perf_counter`.
    waited : float
        Seconds in which the thread waited for others, within no import below.
    failed : bool
    children : list of Node
        In the order in which they began.
    """

    module: str
    begin: float
    end: float
    waited: float = 0.0
    failed: bool = False
    children: list[Node] = field(default_factory=list)

    @property
    def cumulative_ms(self) -> float:
        """How long it took, with all that it has caused, in milliseconds."""
        return 1000 * (self.end - self.begin)

    @property
    def waited_ms(self) -> float:
        """How long it waited for other threads itself, in milliseconds."""
        return 1000 * self.waited

    @property
    def self_ms(self) -> float:
        """How long it took itself, without waiting, in milliseconds."""
        within = sum(child.cumulative_ms for child in self.children)
        return max(0.0, self.cumulative_ms - within - self.waited_ms)

    def walk(self) -> Iterator[tuple[int, Node]]:
        """Yield it, and all below it, each with its depth, in order."""
        stack = [(0, self)]
        while stack:
            depth, node = stack.pop()
            yield depth, node
            stack += [(depth + 1, child) for child in reversed(node.children)]

    def to_dict(self, origin: float) -> dict[str, Any]:
        """
        Return it as data.

        Parameters
        ----------
        origin : float
            The moment that counts as 0, in seconds of `time.perf_counter`.
        """
        return {
            "module": self.module,
            "begin_ms": 1000 * (self.begin - origin),
            "cumulative_ms": self.cumulative_ms,
            "self_ms": self.self_ms,
            "waited_ms": self.waited_ms,
            "failed": self.failed,
            "imports": [child.to_dict(origin) for child in self.children],
        }


@dataclass
class Branch:
    """
    What one thread has imported.

    Parameters
    ----------
    thread : str
        Its name.
    started_by : str or None
        The module whose import has started it; None for a worker.
    roots : list of Node
        In the order in which they began.
    """

    thread: str
    started_by: str | None
    roots: list[Node]


def branches(trace: Trace, module: str | None = None) -> list[Branch]:
    """
    Return what each thread has imported, those without any import aside.

    Parameters
    ----------
    trace : Trace
    module : str, optional
        Only its latest import, wherever that was, and what threads have imported that
        this has started.
    """
    everything = [
        Branch(lane.thread_name, lane.started_by, grow(lane))
        for lane in list(trace.lanes)
    ]
    if module is not None:
        everything = _of_module(everything, module)
    return [branch for branch in everything if branch.roots]


def grow(lane: Lane) -> list[Node]:
    """Return the imports of a thread as trees, in the order in which they began."""
    roots: list[Node] = []
    # Those within an import end before it does, and are one deeper.
    waiting: dict[int, list[Node]] = {}
    for record in _complete(lane.records.copy()):
        children = waiting.pop(record.depth + 1, [])
        node = Node(
            record.module,
            record.begin,
            record.end,
            record.waited,
            record.failed,
            children,
        )
        if record.depth == 0:
            roots.append(node)
        else:
            waiting.setdefault(record.depth, []).append(node)
    return roots


def _complete(records: Iterable[Record]) -> list[Record]:
    """Leave out what is within an import that has not ended yet."""
    kept = list(records)
    while kept and kept[-1].depth > 0:
        kept.pop()
    return kept


def _of_module(everything: list[Branch], module: str) -> list[Branch]:
    found: tuple[Branch, Node] | None = None
    for branch in everything:
        for root in branch.roots:
            for _, node in root.walk():
                if node.module == module and (found is None or _later(node, found[1])):
                    found = branch, node
    if found is None:
        return []
    branch, top = found
    within = {node.module for _, node in top.walk()}
    started = [
        other
        for other in everything
        if other.started_by in within
        and other.roots
        and top.begin <= other.roots[0].begin <= top.end
    ]
    return [Branch(branch.thread, branch.started_by, [top]), *started]


def _later(node: Node, other: Node) -> bool:
    return node.begin > other.begin
