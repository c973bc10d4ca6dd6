"""
Where the time went, as an icicle: each import a box below the one that caused it.

Widths are shares of the time. The picture needs no script, and its text keeps its size
in a narrow column.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, NamedTuple

from ipywarmup.panel.html import escape
from ipywarmup.report.text import describe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ipywarmup.report.tree import Branch, Node

ROW = 18
"""Pixels that an import is high."""
DEEPEST = 40
"""How many imports are drawn one below the other."""
_NARROWEST = 0.002
"""The share of the time from which an import is drawn."""
_LABELLED = 0.03
"""The share from which there is room for a name."""
_HUES = (210, 35, 140, 280, 60, 180, 320, 0)
_TEXT = "font:11px sans-serif;fill:currentColor"


class Box(NamedTuple):
    """
    An import in the picture.

    Parameters
    ----------
    left, width : float
        As shares of the picture's width.
    depth : int
        From 0, at the top.
    node : Node
    """

    left: float
    width: float
    depth: int
    node: Node


def boxes(roots: Sequence[Node]) -> Iterator[Box]:
    """
    Yield what is wide enough to be seen; roots stand side by side, without gaps.

    Parameters
    ----------
    roots : sequence of Node
        In the order in which they began.
    """
    total = sum(root.cumulative_ms for root in roots)
    if total <= 0:
        return
    left = 0.0
    for root in roots:
        for depth, node in root.walk():
            width = node.cumulative_ms / total
            if depth < DEEPEST and width >= _NARROWEST:
                at = left + 1000 * (node.begin - root.begin) / total
                yield Box(at, width, depth, node)
        left += root.cumulative_ms / total


def render(branch: Branch, label: str) -> str:
    """
    Return the picture of what one thread has imported, as an SVG element.

    Parameters
    ----------
    branch : Branch
    label : str
        What is read aloud in its place.
    """
    drawn = list(boxes(branch.roots))
    # Each package has a colour, until there are none left.
    packages = dict.fromkeys(_package(box.node) for box in drawn)
    hues = dict(zip(packages, itertools.cycle(_HUES), strict=False))
    height = ROW * (1 + max((box.depth for box in drawn), default=0))
    body = "".join(_box(box, hues[_package(box.node)]) for box in drawn)
    return (
        f'<svg class="ipywarmup-icicle" role="img" aria-label="{escape(label)}"'
        f' xmlns="http://www.w3.org/2000/svg" width="100%" height="{height}"'
        f' style="display:block">{body}</svg>'
    )


def _package(node: Node) -> str:
    return node.module.partition(".")[0]


def _box(box: Box, hue: int) -> str:
    node = box.node
    # Half transparent, so that text has the theme's colour and shows on it.
    fill = f"hsl({hue} 70% 50%)"
    stroke = ' stroke="#e0483e" stroke-width="2" stroke-dasharray="4 2"'
    label = ""
    if box.width >= _LABELLED:
        last = node.module.rpartition(".")[2] if box.depth else node.module
        mark = "✗ " if node.failed else ""
        label = f'<text x="4" y="13" style="{_TEXT}">{mark}{escape(last)}</text>'
    # What is too long for its box is cut off by it.
    return (
        f'<svg x="{100 * box.left:.3f}%" y="{ROW * box.depth}"'
        f' width="{100 * box.width:.3f}%" height="{ROW}">'
        f"<title>{escape(node.module)}: {describe(node)}</title>"
        f'<rect width="100%" height="{ROW - 1}" rx="2" fill="{fill}"'
        f' fill-opacity="0.35"{stroke if node.failed else ""}/>{label}</svg>'
    )
