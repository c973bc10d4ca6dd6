"""Heavy packages, warmed in a real kernel and used there."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.kernel.conftest import Kernel

PACKAGES = ("numpy", "pandas", "sklearn.ensemble", "matplotlib.pyplot")


def test_real_packages_are_warm_and_work(kernel: Kernel) -> None:
    """`import` yields the very modules, and figures show inline as ever."""
    cell = kernel.execute(f"%warmup {' '.join(PACKAGES)} --wait")
    assert cell.stdout.splitlines()[-1] == "Warmup done: 4 of 4 modules completed"
    kernel.run("import sys; warm = dict(sys.modules)")
    for name in PACKAGES:
        canary = kernel.canary(name)
        assert canary["status"] == "completed"
        assert canary["thread_name"].startswith("ipywarmup-")
        kernel.run(f"import {name} as module")
        assert kernel.value(f"module is warm[{name!r}]")
    assert kernel.value("[name for name in sys.modules if name not in warm]") == []
    kernel.run("""
        import numpy as np
        import pandas as pd
        import matplotlib.pyplot as plt
        from sklearn.ensemble import RandomForestClassifier

        frame = pd.DataFrame({"x": np.arange(20), "y": np.arange(20) > 9})
        forest = RandomForestClassifier(n_estimators=5, random_state=0)
        accuracy = forest.fit(frame[["x"]], frame["y"]).score(frame[["x"]], frame["y"])
    """)
    assert kernel.value("float(accuracy)") == 1.0
    figure = kernel.execute("frame.plot();")
    assert "image/png" in figure.displays[0]["data"]
    figure = kernel.execute("plt.plot([1, 2, 3]); plt.show()")
    assert "image/png" in figure.displays[0]["data"]
    assert kernel.execute("plt.get_backend()").result["text/plain"] in {
        "'inline'",
        "'module://matplotlib_inline.backend_inline'",
    }
