"""What becomes of a warmup where importlib is not the one that the hooks know."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from ipywarmup.importlock import bootstrap as bootstrap_module
from ipywarmup.importlock.bootstrap import unsupported
from ipywarmup.importlock.hooks import hooks
from ipywarmup.manager import WarmupManager

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def unsupporting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run on a Python whose importlib lacks something."""
    without = dict(vars(importlib._bootstrap))
    del without["_blocking_on"]
    with monkeypatch.context() as patch:
        patch.setattr(bootstrap_module, "_bootstrap", SimpleNamespace(**without))
        unsupported.cache_clear()
        yield
    unsupported.cache_clear()


@pytest.mark.usefixtures("unsupporting")
def test_without_the_functions_imports_stay_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another importlib a warmup imports at once, on the thread that asks."""
    assert unsupported() == "importlib of this Python has no _blocking_on"
    name = "unhooked"
    source = "import threading\nthread = threading.get_ident()"
    (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    manager = WarmupManager(log_to_stderr=False)
    bootstrap: Any = importlib._bootstrap
    get_module_lock = bootstrap._get_module_lock
    manager.submit([name, "unhooked_missing"])
    assert not hooks.installed
    assert bootstrap._get_module_lock is get_module_lock
    assert manager.is_done()
    assert sys.modules.pop(name).thread == threading.get_ident()
    assert manager.status()["completed"] == [name]
    assert manager.status()["failed"] == ["unhooked_missing"]


def test_an_importlib_without_any_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where importlib has nothing of that kind, the package can be imported still."""
    spec = importlib.util.spec_from_file_location("bare", bootstrap_module.__file__)
    assert spec is not None
    assert spec.loader is not None
    bare = importlib.util.module_from_spec(spec)
    with monkeypatch.context() as patch:
        patch.delattr(importlib, "_bootstrap")
        spec.loader.exec_module(bare)
        assert bare.unsupported() == "importlib of this Python has no _get_module_lock"


def test_another_way_of_locking_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Functions of the right names that do not use each other are not enough."""
    bootstrap = SimpleNamespace(**vars(importlib._bootstrap))
    bootstrap._lock_unlock_module = lambda name: name
    with monkeypatch.context() as patch:
        patch.setattr(bootstrap_module, "_bootstrap", bootstrap)
        unsupported.cache_clear()
        assert (
            unsupported()
            == "importlib of this Python locks modules in a way of its own"
        )
    unsupported.cache_clear()
    assert unsupported() is None


@pytest.mark.usefixtures("unsupporting")
def test_warmup_says_that_it_imports_in_the_foreground(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line of a `%warmup` tells why nothing runs in the background."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    from IPython.core.interactiveshell import InteractiveShell  # noqa: PLC0415

    shell = InteractiveShell()
    shell.run_line_magic("load_ext", "ipywarmup")
    try:
        shell.run_line_magic("warmup", "colorsys")
        shell.run_cell_magic("warmup", "", "import colorsys as colours")
        assert capsys.readouterr().out == (
            "Warming up here and now, since importlib of this Python has no"
            " _blocking_on: colorsys\n"
        )
        assert shell.user_ns["colours"] is sys.modules["colorsys"]
    finally:
        shell.run_line_magic("unload_ext", "ipywarmup")
