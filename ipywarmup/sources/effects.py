"""What is known of modules, magics and commands: which change what an import does."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable


class Effect(NamedTuple):
    """
    Something that may change what an import does.

    Parameters
    ----------
    what : str
        In the words of the code, such as ``"os.chdir"`` or ``"%cd"``.
    package : str or None
        The only package that it concerns, with all that require it; None for any.
    opaque : bool
        Whether whatever is bound to it may do the same later.
    feared : bool
        Whether that is only because nobody can see what it does.
    """

    what: str
    package: str | None = None
    opaque: bool = False
    feared: bool = False


VARIABLES: dict[str, str] = {
    "HF_": "huggingface_hub",
    "JAX_": "jax",
    "KERAS_": "keras",
    "MPL": "matplotlib",
    "NUMBA_": "numba",
    "POLARS_": "polars",
    "PYTORCH_": "torch",
    "TF_": "tensorflow",
    "TOKENIZERS_": "tokenizers",
    "TORCH_": "torch",
    "TRANSFORMERS_": "transformers",
}
"""
How the environment variables begin that belong to one package.

By the documentation of each: "Environment variables" of huggingface_hub, matplotlib,
numba and torch, "Configuration options" of jax, "Configuring your backend" of keras,
`polars.thread_pool_size`, "Logging" of tensorflow, the README of tokenizers,
"Installation" of transformers.
"""

BUILTINS = frozenset(
    {"__import__", "breakpoint", "delattr", "eval", "exec", "globals", "setattr"}
)
"""Built-in functions that run or change what only shows then."""
WORDS = frozenset(
    {
        *("addHandler", "basicConfig", "chdir", "environ", "environb", "fchdir"),
        *("load_dotenv", "meta_path", "path_hooks", "putenv", "removeHandler"),
        *("seed_everything", "set_start_method", "unsetenv", "write_bytes"),
        "write_text",
    }
)
"""Attributes that tell a change, whatever they are asked of."""
SHELL_NAMES = frozenset({"In", "Out", "_", "__", "___", "display", "get_ipython"})
"""What IPython has bound."""
CODE_MAGICS = frozenset(
    {"capture", "debug", "lprun", "memit", "mprun", "prun", "time", "timeit"}
)
"""Magics whose text is code that they run in the user's namespace."""

_SURROUNDINGS = re.compile(
    r"(os\.environb?|sys\.(path|path_hooks|path_importer_cache|meta_path|modules)"
    r"|builtins)\b"
)
"""What can be changed by whoever has it under another name."""
_HARMLESS_OF_OS = re.compile(
    r"os(\.(DirEntry|PathLike|cpu_count|fspath|get_terminal_size|getcwd|getenv|getlogin"
    r"|getpid|linesep|listdir|makedirs|mkdir|name|path\b.*|process_cpu_count|scandir"
    r"|sched_getaffinity|sep|stat|uname|urandom|walk))?"
)
_STANDARD = re.compile(
    r"""(ctypes|ensurepip|pip|pty|runpy|shutil|site|subprocess|venv)\.
    |random\.(?!Random\b|SystemRandom\b)
    |sys\.(addaudithook|set)
    |importlib\.(machinery|reload|util)\b
    |logging\.(basicConfig|captureWarnings|config|disable|root|setLoggerClass)\b
    |pathlib\.Path\.(chdir|write)
    |.*\.(install|patch|register|set(?!$|\b))(?!\w*\.)""",
    re.VERBOSE,
)
"""What changes something in the standard library, or draws from its generator."""
_DRAWS = re.compile(
    r"numpy\.random\.(?!Generator|MT19937|PCG64|Philox|RandomState|SFC64|SeedSequence"
    r"|default_rng)"
)
"""What draws from the generator of NumPy that all share, or seeds it."""
_SETS_VARIABLES = re.compile(r"(decouple|dotenv|environs)\.")
_SWITCH = re.compile(
    r"(activate|config|configure|defaults|disable|download|enable|extension|init"
    r"|install|login|manual|options?|patch|rc|rcParams|register|seed|set|setup|switch"
    r"|use)(?![a-z])|(autolog|seterr|setbufsize)"
)
"""How the name of what switches something in a package begins."""
_QUIET_MAGICS = frozenset(
    {
        *("HTML", "autoreload", "automagic", "cat", "colors", "config", "hist"),
        *("history", "html", "javascript", "js", "latex", "less", "ll", "ls"),
        *("lsmagic", "magic", "markdown", "matplotlib", "more", "page", "pdb", "pdef"),
        *("pdoc", "pfile", "pinfo", "pinfo2", "pprint", "precision", "psearch"),
        *("psource", "pwd", "quickref", "svg", "warmup", "watermark", "who", "who_ls"),
        *("whos", "xmode"),
    }
)
"""
Magics that change no import. `%matplotlib` switches a pyplot that is there to what one
that comes later begins with.
"""
_CHANGING = frozenset(
    {"cd", "conda", "mamba", "micromamba", "pip", "pip3", "popd", "pushd", "uv"}
)
"""Magics and commands that are known to change what an import finds."""
_QUIET_EXTENSIONS = frozenset({"autoreload", "ipywarmup"})
_QUIET_COMMANDS = frozenset(
    {
        *("cat", "date", "df", "du", "echo", "file", "find", "free", "grep", "head"),
        *("hostname", "ls", "lscpu", "nproc", "nvidia-smi", "ps", "pwd", "tail"),
        *("uname", "uptime", "wc", "which", "whoami"),
    }
)


def surroundings() -> dict[str, object]:
    """Return what can be changed by whoever has it under another name, by its own."""
    return {
        "os.environ": os.environ,
        "sys.path": sys.path,
        "sys.meta_path": sys.meta_path,
        "sys.modules": sys.modules,
    }


def of_name(dotted: str, text: str) -> Effect | None:
    """
    Return what it may change to use something of a module.

    Parameters
    ----------
    dotted : str
        Its name, from the module on, as in ``"numpy.random.seed"``.
    text : str
        How the code calls it.
    """
    top, _, rest = dotted.partition(".")
    if _SURROUNDINGS.match(dotted):
        return Effect(text, opaque=True)
    if top == "os":
        return None if _HARMLESS_OF_OS.fullmatch(dotted) else Effect(text)
    if top in sys.stdlib_module_names:
        return Effect(text) if _STANDARD.match(dotted) else None
    if _SETS_VARIABLES.match(dotted) or _DRAWS.match(dotted):
        return Effect(text)
    if any(_SWITCH.match(part) for part in rest.split(".")):
        return Effect(text, top)
    return None


def of_assignment(dotted: str, text: str) -> Effect:
    """Return what it changes to assign to something of a module, named as above."""
    top = dotted.partition(".")[0]
    return Effect(text, None if top in sys.stdlib_module_names else top)


def of_variables(names: Iterable[object], text: str) -> Effect:
    """Return what it changes to set variables of the environment; None is any."""
    owners = {_owner(name) for name in names}
    return Effect(text, owners.pop() if len(owners) == 1 else None)


def _owner(variable: object) -> str | None:
    if not isinstance(variable, str):
        return None
    found = [VARIABLES[start] for start in VARIABLES if variable.startswith(start)]
    return found[0] if found else None


def of_magic(name: str, line: str, text: str) -> Effect | None:
    """
    Return what a magic may change that runs no code of the notebook's.

    Parameters
    ----------
    name, line : str
        Of the magic.
    text : str
        How it is called, as in ``"%%bash"``.
    """
    words = line.replace("=", " ").split()
    if name == "set_env" or (name == "env" and len(words) > 1):
        return of_variables(words[:1], f"{text} {' '.join(words[:1])}")
    if name == "env" or name in _QUIET_MAGICS:
        return None
    if name in {"load_ext", "reload_ext"} and _QUIET_EXTENSIONS.issuperset(words):
        return None
    return Effect(text, opaque=True, feared=name not in _CHANGING)


def of_command(command: str) -> Effect | None:
    """Return what a command of the system may change, be it what is installed."""
    word = (command.split() or [""])[0]
    if word in _QUIET_COMMANDS:
        return None
    return Effect(f"!{word}", feared=word not in _CHANGING)
