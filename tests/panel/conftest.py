"""What the tests of the panel share: records in every state, and a fake clock."""

from __future__ import annotations

import itertools
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest

from ipywarmup.canary import Canary, CanaryStatus
from ipywarmup.manager import WarmupManager

if TYPE_CHECKING:
    from collections.abc import Callable

    from ipywarmup.run import Run, Totals

SAVED: Totals = {"worst_stall_ms": 16.04, "hidden_ms": 2_104.0, "waited_ms": 300.0}
IN_WORDS = "Saved 2.10 s of waiting; longest stall of other threads 16.0 ms"
"""What a warmup has saved."""

NOON = 1_700_000_000.0
"""The wall clock of the records: they are submitted at noon, and start then."""


class Records:
    """Make records, numbered 1, 2, 3, ... as a manager would."""

    def __init__(self) -> None:
        self._ids = itertools.count(1)

    def queued(self, module: str) -> Canary:
        """Return the record of a module that waits for its turn."""
        return Canary(next(self._ids), module, NOON)

    def running(self, module: str, *, thread: str = "ipywarmup-0") -> Canary:
        """Return the record of an import under way since noon."""
        return self.queued(module).started(at=NOON, thread_name=thread, thread_id=7)

    def completed(
        self,
        module: str,
        *,
        milliseconds: float = 12.5,
        thread: str = "ipywarmup-0",
        output: str | None = None,
    ) -> Canary:
        """Return the record of a warm module."""
        return self.running(module, thread=thread).finished(
            CanaryStatus.COMPLETED, at=NOON + milliseconds / 1000, output=output
        )

    def failed(  # noqa: PLR0913 - what a record can tell
        self,
        module: str,
        error: str = "OSError: no",
        *,
        milliseconds: float = 12.5,
        hint: str | None = None,
        traceback: str | None = None,
        output: str | None = None,
    ) -> Canary:
        """Return the record of a failed import."""
        return self.running(module).finished(
            CanaryStatus.FAILED,
            at=NOON + milliseconds / 1000,
            error=error,
            hint=hint,
            traceback=traceback,
            output=output,
        )

    def cancelled(self, module: str) -> Canary:
        """Return the record of a module that was dropped from the queue."""
        return self.queued(module).finished(CanaryStatus.CANCELLED, at=NOON)


@pytest.fixture
def records() -> Records:
    """Return a maker of records."""
    return Records()


class ScriptedManager(WarmupManager):
    """Show the records that the test puts there, and import nothing."""

    def __init__(self) -> None:
        super().__init__(log_to_stderr=False)
        self.records: list[Canary] = []
        self.saved: Totals | None = None
        self.on_wait: Callable[[float | None], bool] = lambda _: True

    def snapshot(self, run: Run | None = None) -> list[Canary]:
        """Return the records of the test."""
        del run
        return self.records.copy()

    def totals(self, run: Run | None = None) -> Totals:
        """Return what the test says, else what a manager says that imports nothing."""
        return self.saved or super().totals(run)

    def wait(self, timeout: float | None = None, modules: object = None) -> bool:
        """Do what the test wants to happen during a wait."""
        del modules
        return self.on_wait(timeout)


@pytest.fixture
def manager() -> ScriptedManager:
    """Return a manager whose records the test writes."""
    return ScriptedManager()


class Clock:
    """Tell the time that the test has set."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return a clock that stands still."""
    return Clock()


class Document(HTMLParser):
    """HTML, taken apart as a browser would; unbalanced tags are an error."""

    VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.rows: list[list[str]] = []
        self._open: list[str] = []
        self.feed(source)
        self.close()
        assert not self._open, f"not closed: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note down a tag."""
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        """Close the tag that was opened last, and no other."""
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Collect the text that is seen, that of table cells twice."""
        if "style" in self._open:
            return
        self.text += data
        if {"td", "th"} & set(self._open):
            self.rows[-1][-1] += data


@pytest.fixture
def parse_html() -> type[Document]:
    """Return what takes HTML apart."""
    return Document
