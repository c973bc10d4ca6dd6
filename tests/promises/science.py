"""Notebooks as data scientists write them, in different styles."""

from __future__ import annotations

NOTEBOOKS: dict[str, tuple[tuple[str, ...], str]] = {}
"""By name: the packages that a notebook needs, and its cells, blank lines between."""


def _add(name: str, needs: str, cells: str) -> None:
    NOTEBOOKS[name] = tuple(needs.split()), cells


_add(
    "explore",
    "pandas matplotlib",
    """
%matplotlib inline
import numpy as np
import pandas as pd
import matplotlib.pyplot as plt
plt.rcParams["figure.figsize"] = (4, 3)
pd.set_option("display.precision", 3)

rng = np.random.default_rng(1)
frame = pd.DataFrame({"x": rng.normal(size=50), "group": list("ab") * 25})
frame.head()

frame.groupby("group")["x"].agg(["mean", "std"])

fig, ax = plt.subplots()
_ = ax.hist(frame["x"])

frame.describe()
""",
)
_add(
    "seeds",
    "pandas sklearn",
    """
import os, random
SEED = 42
os.environ["PYTHONHASHSEED"] = str(SEED)
random.seed(SEED)

import numpy as np
np.random.seed(SEED)
x = np.random.rand(100, 3)
x[:2]

from sklearn.linear_model import LinearRegression
from sklearn.model_selection import train_test_split
y = x @ [1, 2, 3] + np.random.normal(0, 0.1, 100)
a, b, c, d = train_test_split(x, y)
LinearRegression().fit(a, c).score(b, d)

random.random(), np.random.rand()
""",
)
_add(
    "quiet",
    "sklearn",
    """
import warnings
warnings.filterwarnings("ignore")
import logging
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
log = logging.getLogger("work")

from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
iris = load_iris()
log.info("rows: %d", len(iris.data))

forest = RandomForestClassifier(10, random_state=0).fit(iris.data, iris.target)
forest.score(iris.data, iris.target)

import warnings
warnings.warn("not shown")
log.warning("done")
""",
)
_add(
    "threads",
    "numpy threadpoolctl",
    """
import os
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np
import threadpoolctl

sorted({each["num_threads"] for each in threadpoolctl.threadpool_info()})

float(np.linalg.norm(np.eye(4)))
""",
)
_add(
    "polars",
    "polars",
    """
import os
os.environ["POLARS_MAX_THREADS"] = "1"

import polars as pl

pl.thread_pool_size()

pl.DataFrame({"a": [1, 2, 3]}).with_columns(b=pl.col("a") * 2)
""",
)
_add(
    "backend",
    "matplotlib",
    """
import matplotlib
matplotlib.use("svg")

import matplotlib.pyplot as plt
plt.get_backend()

fig = plt.figure()
len(fig.axes)
""",
)
_add(
    "paths",
    "pandas",
    """
import sys
from pathlib import Path
ROOT = Path.cwd()
DATA = ROOT / "data"
DATA.mkdir(exist_ok=True)
sys.path.append(str(ROOT / "src"))

import pandas as pd
pd.DataFrame({"a": [1, 2]}).to_csv(DATA / "a.csv", index=False)

%cd -q data
pd.read_csv("a.csv")

import os
os.listdir()
""",
)
_add(
    "pipeline",
    "pandas sklearn",
    """
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

def load():
    return pd.DataFrame({"n": range(20), "c": list("ab") * 10, "y": [0, 1] * 10})

data = load()
columns = ColumnTransformer(
    [("n", StandardScaler(), ["n"]), ("c", OneHotEncoder(), ["c"])]
)
model = make_pipeline(columns, LogisticRegression())
model.fit(data[["n", "c"]], data["y"]).score(data[["n", "c"]], data["y"])

model

from sklearn import set_config
set_config(display="text")
model
""",
)
_add(
    "seaborn",
    "seaborn pandas",
    """
import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
sns.set_theme(style="whitegrid")

frame = pd.DataFrame({"x": range(10), "y": [n * n for n in range(10)]})
ax = sns.scatterplot(data=frame, x="x", y="y")

ax.get_xlabel(), plt.rcParams["axes.grid"]

plt.close("all")
""",
)
_add(
    "plotly",
    "plotly pandas",
    """
import plotly.io as pio
pio.templates.default = "plotly_white"

import plotly.express as px
import pandas as pd
figure = px.line(pd.DataFrame({"a": [1, 2, 3]}), y="a")
figure.layout.template.layout.paper_bgcolor

len(figure.data)
""",
)
_add(
    "statistics",
    "scipy statsmodels",
    """
import numpy as np
from scipy import stats

rng = np.random.default_rng(0)
a, b = rng.normal(0, 1, 40), rng.normal(0.5, 1, 40)
round(stats.ttest_ind(a, b).pvalue, 6)

import statsmodels.api as sm
round(float(sm.OLS(b, sm.add_constant(a)).fit().rsquared), 6)
""",
)
_add(
    "formula",
    "statsmodels pandas",
    """
import pandas as pd, statsmodels.formula.api as smf
df = pd.DataFrame({"x": range(30), "y": [2 * n + n % 3 for n in range(30)]})

fit = smf.ols("y ~ x", df).fit()
fit.params.round(4)
""",
)
_add(
    "symbols",
    "sympy",
    """
import sympy
sympy.init_printing(use_unicode=False)
from sympy import *

x, y = symbols("x y")
integrate(x**2 * exp(x), x)

solve([x + y - 3, x - y - 1])
""",
)
_add(
    "graphs",
    "networkx",
    """
import networkx as nx
import random
random.seed(5)

graph = nx.gnp_random_graph(12, 0.3)
sorted(graph.degree)[:4]

nx.number_connected_components(graph), random.random()
""",
)
_add(
    "optional",
    "numpy",
    """
try:
    import cupy as xp
except ImportError:
    import numpy as xp

try:
    from nosuch_package import thing
except ModuleNotFoundError as error:
    print(error)

xp.arange(4).sum()
""",
)
_add(
    "late",
    "pandas scipy sklearn",
    """
import pandas as pd

data = pd.DataFrame({"a": [1.0, 2.0, 4.0]})
data

import time
start = time.time()

from scipy.optimize import curve_fit
import numpy as np
np.round(curve_fit(lambda x, k: k * x, data["a"], 2 * data["a"])[0], 6)

from sklearn.cluster import KMeans
KMeans(2, n_init=1, random_state=0).fit(data).labels_
""",
)
_add(
    "torch",
    "torch",
    """
import os
os.environ["CUDA_VISIBLE_DEVICES"] = ""
import torch
torch.manual_seed(0)

torch.set_num_threads(1)
torch.rand(3)

from torch import nn
layer = nn.Linear(2, 1)
layer(torch.ones(1, 2)).shape

from torch.utils.data import DataLoader, TensorDataset
[len(batch[0]) for batch in DataLoader(TensorDataset(torch.arange(5.0)), 2)]
""",
)
_add(
    "arrow",
    "pyarrow pandas",
    """
import pyarrow as pa, pyarrow.compute as pc

table = pa.table({"a": [1, 2, 3]})
pc.sum(table["a"])

import pandas as pd
table.to_pandas()
""",
)
_add(
    "class",
    "pandas",
    """
from dataclasses import dataclass
import pandas as pd

@dataclass
class Config:
    rows: int = 3
    def apply(self):
        import os
        os.environ["ROWS"] = str(self.rows)
config = Config()
config.apply()

import os
pd.DataFrame({"a": range(int(os.environ["ROWS"]))})

import json
print(json.dumps({"rows": config.rows}))
""",
)
_add(
    "mistakes",
    "pandas matplotlib",
    """
import pandas as pd
import matplotlib.pylot as plt

df = pd.DataFrame({"a": [1]})
df["b"]

import matplotlib.pyplot as plt
df.plot.nosuch()

1 / 0

df
""",
)


def cells_of(name: str) -> list[str]:
    """Return the cells of one."""
    return NOTEBOOKS[name][1].strip().split("\n\n")
