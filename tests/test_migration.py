"""The tables of docs/migration.md: where both sides are code, they give the same."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import wengert as wg

TEXT = (Path(__file__).resolve().parent.parent / "docs" / "migration.md").read_text("utf-8")
SETUP = re.search(r"^```python\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)[1]
RECIPES = re.findall(
    r"^(?:def flatten|def repeat).*?(?=^\w+, \w+ =|^print)", TEXT, re.DOTALL | re.MULTILINE
)
PEERS = {
    "autograd": """
from autograd import *
from autograd.differential_operators import make_jvp_reversemode
from autograd.misc import flatten
from autograd.scipy import special, stats
from autograd.test_util import check_grads
""",
    "JAX": """
import jax.numpy as jnp, jax.ops, jax.scipy, jax.scipy.sparse.linalg, jax.test_util
from jax import lax
from jax.experimental.jet import jet
from jax.flatten_util import ravel_pytree
x, v = jnp.asarray(x), jnp.asarray(v)
params = jax.tree.map(jnp.asarray, params)
""",
    "torch.func": """
import torch
from torch.func import *
x, v = torch.tensor(x), torch.tensor(v)
f = lambda x: torch.sum(torch.sin(x) * x)
g = lambda x: torch.tanh(x) * x[0]
with_aux = lambda x: (torch.sum(x**2), x * 2)
""",
}


def rows(peer: str) -> list[tuple[str, str]]:
    """The rows of a library's table in which both cells are an expression."""
    table = TEXT.partition(f"| {peer} | wengert |")[2].partition("\n\n")[0]
    pairs = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|", table, re.MULTILINE)
    shown = ["import ", "isinstance", "misc.", "scipy.integrate"]
    jax = ("config", "tree_util", "make", "random", "experimental", "export", "pure_callback")
    shown += [f"jax.{name}" for name in jax]
    shown += [f"torch.{name}" for name in ("tensor", "no_grad", "compile", "utils")]
    return [(a, b) for a, b in pairs if not a.startswith(tuple(shown))]


CASES = [(peer, theirs, ours) for peer in PEERS for theirs, ours in rows(peer)]


def names(peer: str | None) -> dict[str, Any]:
    """The names that expressions use: ours, or those of another library."""
    setup = SETUP
    if peer is not None:
        numpy = {"autograd": "autograd.numpy", "JAX": "jax.numpy", "torch.func": "numpy"}[peer]
        start = "import jax\njax.config.update('jax_enable_x64', True)\n" if peer == "JAX" else ""
        setup = setup.replace("import numpy as np", f"{start}import {numpy} as np")
        setup = "\n".join([line for line in setup.splitlines() if "wengert" not in line])
    module = ModuleType("example")
    exec("\n".join([setup, *(RECIPES if peer is None else [PEERS[peer]])]), vars(module))
    return vars(module)


def leaves(result: Any) -> list[Any]:
    """The numbers of a result, whatever holds them."""
    if isinstance(result, dict):
        result = [result[key] for key in sorted(result)]
    if isinstance(result, list | tuple):
        return [leaf for item in result for leaf in leaves(item)]
    return [] if result is None else [np.asarray(result)]


@pytest.mark.parametrize(("peer", "theirs", "ours"), CASES, ids=[a for _, a, _ in CASES])
def test_rows(peer: str, theirs: str, ours: str) -> None:
    pytest.importorskip({"autograd": "autograd", "JAX": "jax", "torch.func": "torch"}[peer])
    pytest.importorskip("scipy")
    own = names(None)
    if "wg." in ours:
        found = eval(ours, own)
    else:  # it works on traced values
        found = wg.jvp(lambda x: eval(ours, {**own, "x": x}), (own["x"],), (own["v"],))[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = eval(theirs, names(peer))
    for a, b in zip(leaves(found), leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)
        assert a.shape == b.shape


def test_all_tables_are_found() -> None:
    assert {peer: len(rows(peer)) >= 12 for peer in PEERS} == dict.fromkeys(PEERS, True)
