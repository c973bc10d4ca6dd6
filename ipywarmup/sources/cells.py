"""The Python code of a cell, less what only IPython understands."""

from __future__ import annotations

import keyword
import re
import textwrap

from ipywarmup.sources.line import LineError, parse

_PYTHON = {
    "capture",
    "debug",
    "lprun",
    "memit",
    "mprun",
    "prun",
    "snakeviz",
    "time",
    "timeit",
    "warmup",
}
"""Cell magics whose body is Python that runs in the notebook's kernel."""
_STATEMENT = re.compile(
    r"%{1,2}(?:time|timeit|prun|memit)\s+(?:-\S+\s+)*((?:import|from)\s.*)", re.DOTALL
)
_WARMUP = re.compile(r"%{1,2}warmup\s+(.+)", re.DOTALL)
_CELL_MAGIC = re.compile(r"\s*%%.*\n")
_PROMPT = re.compile(r"(?:In \[\d+\]: |\s*\.{3,}: ?|>>>(?: |$)|\.\.\.(?: |$))")
_FIRST_PROMPT = re.compile(r"In \[\d+\]: |>>>(?: |$)")
# A line shows that it is no Python at its start (%time, !ls, ?print, /f x), after the
# equals sign of an assignment (names = !ls), or at its end (print?). No two repetitions
# in a row can match the same: that takes a time that grows with the square of the line.
_ESCAPE = re.compile(r"[%!?,;/]")
_ASSIGNMENT = re.compile(r"[^=#'\"()\[]+(?:(?:\[[^\]=]*\])+\s*)?=\s*(?:%[^\W\d]|!)")
_HELP = re.compile(r"%{0,2}[\w.*\[\]-]+\?{1,2}\s*$")
# What decides where a statement ends.
_PIECES = re.compile(
    r"""(?P<comment>\#)
    |(?P<quote>\"{3}|'{3}|"|')
    |(?P<open>[(\[{])
    |(?P<close>[)\]}])""",
    re.VERBOSE,
)
_ENDS = {
    quote: re.compile(rf"(?:\\.|(?!{quote})[^\\])*{quote}")
    for quote in ('"', "'", '"""', "'''")
}
"""By what a string begins with: the rest of it."""


def may_import(cell: str) -> bool:
    """Whether it is worth looking for imports in a cell."""
    return "import" in cell or "%warmup" in cell


def is_python(cell: str) -> bool:
    """
    Whether a cell holds Python that runs in the notebook's kernel.

    One that begins with a cell magic does if that is known to run its body there, as
    ``%%time`` does. ``%%bash``, ``%%writefile`` and any unknown one do not.
    """
    first = cell.lstrip()
    if not first.startswith("%%"):
        return True
    name = re.match(r"\w+", first[2:])
    return name is not None and name[0] in _PYTHON


def magic_call(cell: str) -> str:
    """Return the call that IPython makes of a cell for which `is_python` is false."""
    first, _, _ = cell.strip().partition("\n")
    name, _, line = first.removeprefix("%%").partition(" ")
    return f"get_ipython().run_cell_magic({name.strip()!r}, {line.strip()!r}, '')"


def python_code(cell: str) -> str:
    """
    Return the code of a cell with the calls in it that IPython makes of its own.

    Lines keep their numbers. ``%warmup a b`` becomes ``import a, b``, and of ``%time
    import a`` the import stays. What is no Python for other reasons stays as it is.

    Parameters
    ----------
    cell : str
        For which `is_python` is true.

    Returns
    -------
    str
        Most likely Python.
    """
    # Not splitlines: Python itself ends lines at these only.
    code = textwrap.dedent("\n".join(re.split(r"\r\n?|\n", cell)))
    if magic := _CELL_MAGIC.match(code):
        code = magic[0] + textwrap.dedent(code[magic.end() :])
    lines = _without_prompts(code.split("\n"))
    kept: list[str] = []
    nesting, quote, continued = 0, "", False
    while len(kept) < len(lines):
        line = lines[len(kept)]
        if not (nesting or quote or continued) and _is_special(line):
            end = len(kept)
            while lines[end].endswith("\\") and end + 1 < len(lines):
                end += 1
            whole = " ".join(
                piece.removesuffix("\\").strip() for piece in lines[len(kept) : end + 1]
            )
            indent = line[: len(line) - len(line.lstrip())]
            kept.append(indent + _replacement(whole))
            kept.extend("" for _ in range(len(kept), end + 1))
            continue
        nesting, quote = _after(line, nesting, quote)
        continued = line.endswith("\\") and not quote
        kept.append(line)
    return "\n".join(kept)


def _without_prompts(lines: list[str]) -> list[str]:
    """Return lines that were copied from a terminal without its prompts."""
    first = next((line for line in lines if line.strip()), "")
    if not _FIRST_PROMPT.match(first):
        return lines
    return [
        line[prompt.end() :] if (prompt := _PROMPT.match(line)) else line
        for line in lines
    ]


def _is_special(line: str) -> bool:
    text = line.strip()
    return bool(_ESCAPE.match(text) or _ASSIGNMENT.match(text) or _HELP.fullmatch(text))


def _replacement(line: str) -> str:
    """Return the statement for a line of IPython's own."""
    if match := _STATEMENT.fullmatch(line):
        return match[1]
    if match := _WARMUP.fullmatch(line):
        return _import(match[1])
    target = ""
    if not _ESCAPE.match(line) and (match := _ASSIGNMENT.match(line)):
        # Of the match, the last character or two belong to what is assigned.
        end = line.rindex("=", 0, match.end())
        target, line = f"{line[:end].strip()} = ", line[end + 1 :].strip()
    if _HELP.fullmatch(line) or line.startswith(("?", "%%")):
        return "pass"
    if line.startswith("!"):
        return f"{target}get_ipython().system({line.lstrip('!').strip()!r})"
    # What is called by one of `/,;` is a magic of its own, that nobody knows.
    name, _, rest = line.removeprefix("%").partition(" ")
    return f"{target}get_ipython().run_line_magic({name!r}, {rest.strip()!r})"


def _import(line: str) -> str:
    """Return the statement for a line of %warmup."""
    try:
        request = parse(line)
    except LineError:
        return "pass"
    parts = ".".join(request.modules).split(".")
    if request.command != "warm" or any(map(keyword.iskeyword, parts)):
        return "pass"
    return f"import {', '.join(request.modules)}"


def _after(line: str, nesting: int, quote: str) -> tuple[int, str]:
    """Return how many brackets, and which string, are open at the end of a line."""
    position = 0
    # Where one string has no end, no other of its kind behind it has one.
    endless = set[str]()
    while True:
        end = _ENDS[quote].match(line, position) if quote else None
        if end is not None:
            position = end.end()
        elif len(quote) > 1:
            return nesting, quote
        elif quote:
            # It would have to end in its line, so it is no string.
            endless.add(quote)
        quote = ""
        match = _PIECES.search(line, position)
        if match is None:
            return nesting, ""
        position = match.end()
        if match["comment"]:
            return nesting, ""
        if match["quote"] and match["quote"] not in endless:
            quote = match["quote"]
        elif match["open"]:
            nesting += 1
        elif match["close"]:
            nesting = max(nesting - 1, 0)
