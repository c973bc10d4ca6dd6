"""A working directory as kernels have one, and notebooks to lay into it."""

from __future__ import annotations

import importlib
import json
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a working directory that comes first on the path, as in a notebook."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    importlib.invalidate_caches()
    return tmp_path


@pytest.fixture
def save(here: Path) -> Callable[..., Path]:
    """Return a function that saves a notebook with code cells, and more if wanted."""

    def save(*cells: str, name: str = "analysis.ipynb", **more: object) -> Path:
        content: dict[str, Any] = {
            "nbformat": 4,
            "nbformat_minor": 5,
            "metadata": {"kernelspec": {"language": "python", "name": "python3"}},
            "cells": [
                {"cell_type": "code", "metadata": {}, "outputs": [], "source": cell}
                for cell in cells
            ],
        }
        path = here / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content | more), encoding="utf-8")
        return path

    return save
