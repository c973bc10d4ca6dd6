"""A profile that loads ipywarmup and starts a warmup by itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.terminal.conftest import Terminal

README = Path(__file__).parent.parent.parent / "README.md"


def test_profile_of_the_readme_starts_a_warmup(
    folder: Path, open_terminal: Callable[..., Terminal]
) -> None:
    """With the README's lines in ipython_config.py the first prompt finds a warmup."""
    section = README.read_text(encoding="utf-8").partition("## Load automatically")[2]
    config = re.search(r"```python\n(c\..*?)```", section, re.DOTALL)
    assert config is not None
    profile = folder / "ipython" / "profile_default"
    profile.mkdir(parents=True)
    (profile / "ipython_config.py").write_text(config[1], encoding="utf-8")
    terminal = open_terminal(load=False)
    # `--quiet`: the prompt is the first that one sees.
    assert [line for line in terminal.screen.lines if line.strip()] == ["In [1]:"]
    assert terminal.run("%warmup wait") == ["Warmup done: 2 of 2 modules completed"]
    rows = terminal.run("%warmup")[-2:]
    assert [row.split()[1:3] for row in rows] == [
        ["numpy", "completed"],
        ["pandas", "completed"],
    ]
