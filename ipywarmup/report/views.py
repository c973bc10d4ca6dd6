"""What %warmup report returns: a picture where there are pictures, else text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ipywarmup.panel.html import escape
from ipywarmup.report import icicle, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ipywarmup.report.tree import Branch

_WORDS = "font-size:13px;line-height:1.5;padding:2px 6px"
# Without trust JupyterLab keeps of a picture the text alone, which is no sight.
_PICTURE = "max-height:480px;overflow:auto;padding:0 6px;font-size:0px"
_TREE = (
    "max-height:480px;overflow:auto;white-space:pre;background:transparent;"
    "color:inherit"
)


class ReportView:
    """
    Where the time went.

    Parameters
    ----------
    branches : sequence of Branch
        What each thread has imported.
    dropped : int
        How many imports were too many to be kept.
    """

    def __init__(self, branches: Sequence[Branch], dropped: int = 0) -> None:
        self._branches = branches
        self._dropped = dropped

    def _repr_mimebundle_(
        self,
        include: object = None,  # noqa: ARG002 - IPython filters what it gets
        exclude: object = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Return text/plain and text/html."""
        return {"text/plain": repr(self), "text/html": self._html()}

    def __repr__(self) -> str:
        """Return the text."""
        dropped = f"\n\nNot kept: {self._dropped} more" if self._dropped else ""
        return f"{text.render(self._branches)}{dropped}"

    def _html(self) -> str:
        drawn = "".join(
            f'<div style="{_WORDS};font-weight:600">{escape(text.headline(branch))}'
            "</div>"
            f'<div style="{_PICTURE}">'
            f"{icicle.render(branch, f'Where the time went: {text.headline(branch)}')}"
            "</div>"
            for branch in self._branches
        )
        return (
            f'<div class="ipywarmup-report">{drawn}'
            f'<div style="{_WORDS}">{escape(text.costliest(self._branches))}</div>'
            f'<details style="{_WORDS}"><summary>The tree, in words</summary>'
            f'<pre style="{_TREE}">{escape(repr(self))}</pre></details></div>'
        )
