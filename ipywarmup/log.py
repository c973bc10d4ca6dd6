"""The lines that a warmup writes to stderr."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ipywarmup.canary import CanaryStatus
from ipywarmup.kernel import outside_cells
from ipywarmup.output import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ipywarmup.canary import Canary


def module_line(canary: Canary, main_thread_id: int) -> str:
    """Return the line of a module that completed or failed."""
    failed = canary.status is CanaryStatus.FAILED
    parts = [f"[warmup {canary.canary_id}]"]
    if failed:
        parts.append("FAILED")
    parts.append(canary.module)
    if canary.thread_id is not None:
        parts.append(f"on {canary.thread_name} (id={canary.thread_id})")
    if failed:
        outcome = "\\n".join((canary.error or "").splitlines())
    else:
        outcome = f"{canary.elapsed_ms:.1f}ms"
    line = f"{' '.join(parts)}: {outcome}"
    if canary.thread_id == main_thread_id:
        line += " [MAIN-THREAD]"
    return line


def summary_lines(canaries: Sequence[Canary], main_thread_id: int) -> list[str]:
    """Return the lines that end a warmup of these modules."""
    counts = ", ".join(
        f"{count} {status}"
        for status in (
            CanaryStatus.COMPLETED,
            CanaryStatus.FAILED,
            CanaryStatus.CANCELLED,
        )
        if (count := sum(canary.status is status for canary in canaries))
        or status is not CanaryStatus.CANCELLED
    )
    elapsed_ms = sum(canary.elapsed_ms or 0.0 for canary in canaries)
    total = f"sum of per-module elapsed: {elapsed_ms:.1f}ms"
    lines = [f"[warmup done] {len(canaries)} modules: {counts} ({total})"]
    on_main = [
        canary.module for canary in canaries if canary.thread_id == main_thread_id
    ]
    if on_main:
        lines.append(
            f"[warmup WARNING] {len(on_main)} module(s) loaded on the MAIN THREAD "
            f"(violates main thread purity invariant): {', '.join(on_main)}"
        )
    return lines


def write(lines: Iterable[str]) -> None:
    """Write each line in one go; a stderr that cannot take it is ignored."""
    with outside_cells(), shown():
        for line in lines:
            try:
                sys.stderr.write(line + "\n")
            except Exception:  # noqa: S112 - closed, broken, or None
                continue
