"""Who keeps the hooks in, and for how long."""

from __future__ import annotations

import gc
import weakref
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any

from ipywarmup.importlock.hooks import hooks
from ipywarmup.manager import WarmupManager

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


class Idle(Executor):
    """A pool that accepts every job and runs none."""

    def submit(self, *_: object) -> Future[Any]:  # type: ignore[override]
        """Take a job."""
        return Future()


def test_a_manager_that_is_gone_keeps_no_hooks_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What nobody can end any more lends no hooks: the next import takes them out."""
    (tmp_path / "after_all.py").write_text("answer = 42", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    manager = WarmupManager(Idle(), log_to_stderr=False)
    manager.submit(["json", "csv"])
    assert hooks.installed
    reference = weakref.ref(manager)
    del manager
    gc.collect()
    assert reference() is None
    import after_all  # type: ignore[import-not-found]  # noqa: PLC0415

    assert after_all.answer == 42
    assert not hooks.installed
