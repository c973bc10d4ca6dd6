"""
What ipywarmup itself costs, in fresh processes: ``python -m ipywarmup bench --own``.

Times on a shared machine move from minute to minute, so each round measures all of
it side by side, and beside a reference: the import of ipywidgets, which the first
panel cannot do without.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from ipywarmup.bench import own_programs
from ipywarmup.bench.program import MARK
from ipywarmup.bench.rounds import HEAVY, compile_bytecode
from ipywarmup.bench.table import Line, Ratio, show

LINES = (
    Line("load", "%load_ext ipywarmup", "ms"),
    Line("ipywidgets", "import ipywidgets (reference)", "ms"),
    Line("first", "first %warmup, 50 modules, panel and ipywidgets included", "ms"),
    Line("next", "next %warmup, 50 modules, panel included", "ms"),
    Line("line 10000", "%warmup of 10,000 light modules, until it returns", "ms"),
    Line("panel 10000", "until they are done, panel included, per module", "us"),
    Line("plain light 100", "foreground import of 100 light modules, per module", "us"),
    Line("warmed light 100", "warmup of them until done, per module", "us"),
    Line("plain light 10000", "foreground import of 10,000, per module", "us"),
    Line("warmed light 10000", "warmup of them until done, per module", "us"),
    Line("submit 100", "submit of 100 modules, per module", "us"),
    Line("submit 10000", "submit of 10,000 modules, per module", "us"),
    Line("all 100", "100 missing modules until done, per module", "us"),
    Line("all 10000", "10,000 missing modules until done, per module", "us"),
    Line("plain import", "import of heavy modules in the foreground", "ms"),
    Line("guarded import", "the same with the import hooks in place", "ms"),
    Line("traced import", "the same with each import noted down, too", "ms"),
    Line("plain import, processor", "the first, processor time", "ms"),
    Line("guarded import, processor", "the second, processor time", "ms"),
    Line("traced import, processor", "the third, processor time", "ms"),
    Line("plain look-up", "`import json` once it is imported", "ns"),
    Line("guarded look-up", "the same with the import hooks in place", "ns"),
    Line("without look-up", "`import json` in a process without a warmup", "ns"),
    Line("after look-up", "the same after a warmup that is done", "ns"),
    Line("without access", "attribute of a module imported as usual", "ns"),
    Line("after access", "attribute of one that was warmed", "ns"),
)

RATIOS = (
    Ratio("first", "ipywidgets", "first %warmup / import ipywidgets"),
    Ratio(
        "warmed light 10000",
        "warmed light 100",
        "light modules, per module: 10,000 / 100",
    ),
    Ratio(
        "panel 10000",
        "warmed light 10000",
        "10,000 light modules: in a kernel with the panel / without",
    ),
    Ratio("submit 10000", "submit 100", "submit, per module: 10,000 / 100"),
    Ratio("all 10000", "all 100", "until done, per module: 10,000 / 100"),
    Ratio("guarded import", "plain import", "heavy import: with hooks / without"),
    Ratio(
        "guarded import, processor",
        "plain import, processor",
        "the same, processor time: with hooks / without",
    ),
    Ratio(
        "traced import, processor",
        "guarded import, processor",
        "the same: with each import noted down / without",
    ),
    Ratio("guarded look-up", "plain look-up", "`import json`: with hooks / without"),
    Ratio(
        "after look-up",
        "without look-up",
        "left behind: `import json` after a warmup / without one",
    ),
    Ratio(
        "after access",
        "without access",
        "left behind: attribute after a warmup / without one",
    ),
)


def run(*, rounds: int, as_json: bool) -> int:
    """
    Measure in fresh kernels and print a table, or JSON.

    Parameters
    ----------
    rounds : int
        How often to measure, at least once.
    as_json : bool
        Print every round's figures, in the units of `LINES`.

    Returns
    -------
    int
        The exit status.
    """
    # As an installation leaves it, also where it is run from a checkout.
    compile_bytecode(Path(__file__).parent.parent)
    with tempfile.TemporaryDirectory() as folder:
        light = own_programs.write_light_modules(Path(folder))
        measured = [
            _measure(folder, light, ours_first=bool(number % 2))
            for number in range(rounds)
        ]
    show(LINES, RATIOS, measured, as_json=as_json)
    return 0


def _measure(folder: str, light: list[str], *, ours_first: bool) -> dict[str, float]:
    """Measure everything once."""

    def given(program: str, **values: object) -> str:
        lines = [f"{name} = {value!r}" for name, value in values.items()]
        return "\n".join([*lines, program])

    figures = _in_kernel(own_programs.REFERENCE)
    figures |= _in_kernel(given(own_programs.KERNEL, FOLDER=folder, LIGHT=light))
    kinds = ("plain", "guarded", "traced")
    for kind in kinds[::-1] if ours_first else kinds:
        figures |= _in_process(
            "import sys; exec(sys.stdin.read())",
            given(own_programs.FOREGROUND, KIND=kind, HEAVY=HEAVY),
        )
    for ours in (ours_first, not ours_first):
        for program in (
            given(own_programs.LEFT_BEHIND, WARMED=ours, FOLDER=folder, LIGHT=light),
            *(
                given(
                    own_programs.IMPORT_LIGHT,
                    WARMED=ours,
                    FOLDER=folder,
                    LIGHT=light[:count],
                )
                for count in (100, len(light))
            ),
        ):
            figures |= _in_process("import sys; exec(sys.stdin.read())", program)
    return figures


def _in_kernel(program: str) -> dict[str, float]:
    """Run a program in a fresh kernel and return the figures that it prints."""
    client = (
        "import sys\n"
        "from jupyter_client.manager import start_new_kernel\n"
        "manager, client = start_new_kernel(kernel_name='python3')\n"
        "client.execute_interactive(sys.stdin.read(), timeout=120)\n"
        "client.stop_channels()\n"
        "manager.shutdown_kernel(now=True)\n"
    )
    return _in_process(client, program)


def _in_process(command: str, program: str) -> dict[str, float]:
    """Run a command in a fresh interpreter, give it the program, return its figures."""
    done = subprocess.run(  # noqa: S603 - our own interpreter
        [sys.executable, "-c", command],
        input=f"MARK = {MARK!r}\n{program}",
        capture_output=True,
        text=True,
        check=False,
    )
    for line in done.stdout.splitlines():
        if line.startswith(MARK):
            figures: dict[str, float] = json.loads(line.removeprefix(MARK))
            return figures
    raise RuntimeError(f"no figures were printed:\n{done.stdout}{done.stderr}")
