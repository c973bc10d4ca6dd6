"""What the word that is being typed on a %warmup line may become."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ipywarmup.sources.installed import submodules, top_level
from ipywarmup.sources.line import SUBCOMMANDS, flags_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable


def completions(
    line: str, *, asked_for: Collection[str] = (), above_cell: bool = False
) -> list[str] | None:
    """
    Complete the last word of a line; nothing is imported for it.

    Parameters
    ----------
    line : str
        What stands after the magic's name, up to the cursor.
    asked_for : collection of str
        Modules that can be waited for.
    above_cell : bool
        Whether it is the line of a cell of imports, which has no subcommands.

    Returns
    -------
    list of str or None
        Words that begin with what is typed, sorted; None where a file is named.
    """
    *before, word = re.split(r"[\s,]", line)
    before = [token for token in before if token]
    command = before[0] if before and not above_cell else "warm"
    if command not in SUBCOMMANDS or "--" in before:
        command = "warm"
    words: Iterable[str]
    if word.startswith("-"):
        words = flags_of(command)
    elif command in {"notebook", "file"} or before[-1:] in (["--trace"], ["--json"]):
        return None
    elif command in {"wait", "report"}:
        words = asked_for
    elif command != "warm":
        words = ()
    else:
        words = _modules(word)
        if not before and not above_cell:
            words = (*words, *SUBCOMMANDS)
    return sorted({each for each in words if each.startswith(word)})


def _modules(word: str) -> Iterable[str]:
    package, dot, last = word.rpartition(".")
    names = submodules(package) if dot else top_level()
    # Who wants a private one types its underscore.
    shown = (name for name in names if last.startswith("_") or name[0] != "_")
    return (f"{package}{dot}{name}" for name in shown)
