"""Where the time went, in words."""

from __future__ import annotations

import heapq
import operator
from typing import TYPE_CHECKING

from ipywarmup.panel.rows import duration, elide

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ipywarmup.report.tree import Branch, Node

MOST_ROWS = 40
"""How many imports of a thread are listed: the costliest."""
COSTLIEST = 5
"""How many modules are named that took long themselves."""
_HEAD = f"{'in total':>10}  {'itself':>10}  module"


def render(branches: Sequence[Branch]) -> str:
    """Return the trees of all threads, one below the other, and their costliest."""
    blocks = []
    for branch in branches:
        lines = [headline(branch), _HEAD, *_rows(branch.roots)]
        blocks.append("\n".join(lines))
    blocks.append(costliest(branches))
    return "\n\n".join(blocks)


def headline(branch: Branch) -> str:
    """Return what stands above what one thread has imported."""
    count = sum(1 for root in branch.roots for _ in root.walk())
    total = sum(root.cumulative_ms for root in branch.roots)
    by = f", started by {elide(branch.started_by, 60)}" if branch.started_by else ""
    modules = "1 module" if count == 1 else f"{count} modules"
    return f"{modules} in {duration(total)} on {elide(branch.thread, 30)}{by}"


def costliest(branches: Sequence[Branch]) -> str:
    """Return a line that names the modules that took longest themselves."""
    nodes = (
        node for branch in branches for root in branch.roots for _, node in root.walk()
    )
    found = heapq.nlargest(COSTLIEST, nodes, key=operator.attrgetter("self_ms"))
    named = ", ".join(
        f"{elide(node.module, 60)} {duration(node.self_ms)}" for node in found
    )
    return f"Most of it: {named}"


def describe(node: Node) -> str:
    """Return one import in words."""
    words = f"{duration(node.cumulative_ms)}, itself {duration(node.self_ms)}"
    if node.waited >= 0.001:  # noqa: PLR2004 - what shows
        words += f", waited {duration(node.waited_ms)}"
    return f"{words}, failed" if node.failed else words


def _rows(roots: Sequence[Node]) -> Iterator[str]:
    nodes = [each for root in roots for each in root.walk()]
    shown = {
        id(node)
        for _, node in heapq.nlargest(
            MOST_ROWS, nodes, key=lambda each: each[1].cumulative_ms
        )
    }
    for depth, node in nodes:
        if id(node) not in shown:
            continue
        waited = node.waited >= 0.001  # noqa: PLR2004 - see above
        more = f"  (waited {duration(node.waited_ms)})" if waited else ""
        more += "  ✗ failed" if node.failed else ""
        yield (
            f"{duration(node.cumulative_ms):>10}  {duration(node.self_ms):>10}"
            f"  {'  ' * depth}{elide(node.module, 60)}{more}"
        )
    left_out = [node for _, node in nodes if id(node) not in shown]
    if left_out:
        took = sum(node.self_ms for node in left_out)
        yield f"{'':>10}  {duration(took):>10}  … {len(left_out)} more"
