"""The stream that stands in for `sys.stdout` during an import."""

from __future__ import annotations

import io
import sys
import weakref
from typing import TYPE_CHECKING

from ipywarmup.output import collected

if TYPE_CHECKING:
    import pytest


def test_a_stand_in_outlives_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A `print` of another thread that is under way at the end may still use it."""
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    original = sys.stdout
    with collected():
        assert sys.stdout is not original
        # `print` of Python 3.11 does not hold its stream any more than this does.
        stand_in = weakref.ref(sys.stdout)
    assert sys.stdout is original
    assert stand_in() is not None


def test_the_same_stand_in_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand imports leave one stand-in, and nothing of what they print."""
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    stand_ins = set()
    for _ in range(1_000):
        with collected() as output:
            stand_ins.add(sys.stdout)
            print("collected")  # noqa: T201 - of a module
        assert output.text() == "collected\n"
    assert len(stand_ins) == 1
    assert sys.stdout is stream
    assert not stream.getvalue()
