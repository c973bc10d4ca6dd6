"""What a WarmupManager should do: a model without threads, locks, pools or imports."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

ANSWERS = ["keep", "complete", "fail", "refuse"]
"""What a pool may do with a job: hold it, run it at once, or take no more."""


@dataclasses.dataclass
class Run:
    """The model's idea of a warmup."""

    submitted: bool = False
    latest: dict[str, Entry] = dataclasses.field(default_factory=dict)
    completed: list[str] = dataclasses.field(default_factory=list)
    failed: list[str] = dataclasses.field(default_factory=list)
    subscribers: list[int] = dataclasses.field(default_factory=list)
    completers: list[int] = dataclasses.field(default_factory=list)

    @property
    def open(self) -> list[Entry]:
        """Return what has not ended, in submission order."""
        return [entry for entry in self.latest.values() if entry.open]

    @property
    def done(self) -> bool:
        """Whether it was submitted and nothing of it is open."""
        return self.submitted and not self.open

    def status(self) -> dict[str, list[str]]:
        """Return what the manager should say."""
        return {
            "pending": [entry.module for entry in self.open],
            "completed": self.completed.copy(),
            "failed": self.failed.copy(),
        }


@dataclasses.dataclass
class Entry:
    """The model's idea of a record."""

    run: Run
    record: dict[str, Any]
    began: float = 0.0
    spent: float | None = None
    exception: str | None = None

    @property
    def module(self) -> str:
        """Return its name."""
        return str(self.record["module"])

    @property
    def open(self) -> bool:
        """Whether it has not ended."""
        return bool(self.record["status"] == "running")

    @property
    def queued(self) -> bool:
        """Whether it has not started, and still may."""
        return self.open and self.record["start_ts"] is None


def parents_first(entries: Sequence[Entry]) -> list[Entry]:
    """Return entries in their order, but none before its parent."""
    ordered: list[Entry] = []
    for entry in entries:
        parents = [
            each for each in entries if entry.module.startswith(f"{each.module}.")
        ]
        ordered += [each for each in (*parents, entry) if each not in ordered]
    return ordered


class Model:
    """The manager, its clocks, and what is loaded."""

    def __init__(self) -> None:
        self.wall = 1_000_000.0
        self.performance = 0.0
        self.loaded: set[str] = set()
        self.failures = 0
        self.run = Run()
        self.entries: list[Entry] = []
        self.told: list[tuple[int, object]] = []

    def tell(self, run: Run, entries: Sequence[Entry]) -> None:
        """Note down which callbacks are to be called."""
        for entry in entries:
            self.told += [(label, entry.record.copy()) for label in run.subscribers]
        if run.done and (entries or not run.latest):
            self.told += [(label, run.status()) for label in run.completers]
            run.completers.clear()

    def enlist(self, names: Sequence[str]) -> list[Entry]:
        """Make a record for each name that is new to the run."""
        run, first = self.run, not self.run.submitted
        run.submitted = True
        new: list[Entry] = []
        for name in names:
            old = run.latest.get(name)
            if old and (old.open or name in run.completed or name in run.failed):
                continue
            record = dict.fromkeys(
                (
                    *("thread_name", "thread_id", "start_ts", "end_ts"),
                    *("elapsed_ms", "error", "hint", "traceback"),
                    *("output", "worst_stall_ms"),
                )
            ) | {
                "canary_id": len(self.entries) + 1,
                "module": name,
                "submit_ts": self.wall,
                "status": "running",
                "attempts": 0,
            }
            run.latest.pop(name, None)
            entry = run.latest[name] = Entry(run, record)
            self.entries.append(entry)
            new.append(entry)
        if first:
            self.tell(run, [])
        return new

    def hand_over(
        self, entries: Sequence[Entry], answers: Sequence[str], thread: threading.Thread
    ) -> list[Entry]:
        """Do what the pool answers to each job; return those that it keeps."""
        kept: list[Entry] = []
        entries = parents_first(entries)
        for position, entry in enumerate(entries):
            answer = answers[position] if position < len(answers) else "keep"
            if answer == "refuse":
                left = [entry for entry in entries[position:] if entry.queued]
                self.end(left, "failed", error="RuntimeError: no room")
                break
            if answer == "keep":
                kept.append(entry)
            elif entry.queued:
                self.start(entry, thread)
                self.finish(entry, fails=answer == "fail")
        return kept

    def start(self, entry: Entry, thread: threading.Thread) -> None:
        """Begin an import on a thread."""
        entry.began = self.performance
        entry.record |= {
            "start_ts": max(self.wall, entry.record["submit_ts"]),
            "thread_name": thread.name,
            "thread_id": thread.ident,
        }
        self.tell(entry.run, [entry])

    def hidden(self, main_thread: int | None) -> float:
        """Return the seconds that other threads have imported for the run."""
        return sum(
            self.performance - entry.began if entry.spent is None else entry.spent
            for entry in self.entries
            if entry.run is self.run
            and entry.record["thread_id"] not in {None, main_thread}
        )

    def load(self, name: str, *, fails: bool) -> str | None:
        """Import a module; return the message of what that raises."""
        if fails and name not in self.loaded:
            self.failures += 1
            return f"{name} {self.failures}"
        self.loaded.add(name)
        return None

    def finish(self, entry: Entry, *, fails: bool) -> None:
        """End an import; of an old run it changes no record."""
        message = self.load(entry.module, fails=fails)
        entry.spent = self.performance - entry.began
        if not entry.open:
            return
        entry.record["attempts"] = 1
        at = entry.record["start_ts"] + self.performance - entry.began
        if message is None:
            self.end([entry], "completed", at=at)
        else:
            entry.exception = message
            self.end([entry], "failed", at=at, error=f"OSError: {message}")

    def end(
        self,
        entries: Sequence[Entry],
        status: str,
        *,
        at: float | None = None,
        error: str | None = None,
    ) -> None:
        """Give records their last state, all in one go."""
        for entry in entries:
            record, run = entry.record, entry.run
            start = record["start_ts"]
            earliest = record["submit_ts"] if start is None else start
            end = max(self.wall if at is None else at, earliest)
            elapsed = None if start is None else (end - start) * 1000
            record |= {"status": status, "end_ts": end, "elapsed_ms": elapsed}
            record["error"] = error
            if status != "cancelled":
                getattr(run, status).append(entry.module)
        if entries:
            self.tell(entries[0].run, entries)
