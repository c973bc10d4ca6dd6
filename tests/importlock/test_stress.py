"""Random imports on several threads: a short form of `nox -s stress`."""

from __future__ import annotations

import pytest

from tests.importlock.stress import available, start_trial

# Those of a submodule of each package that the tests have anyway.
MODULES = [
    name
    for name in available()
    if name.partition(".")[0] in {"numpy", "scipy", "sklearn", "pandas", "matplotlib"}
]


@pytest.mark.skipif(not MODULES, reason="none of the heavy packages is installed")
@pytest.mark.parametrize("seed", range(6))
def test_random_imports_during_a_warmup(seed: int) -> None:
    """Whatever is imported on whichever thread in whatever order succeeds."""
    trial = start_trial(seed, "guarded", MODULES)
    assert trial["failures"] == []
