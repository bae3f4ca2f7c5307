"""`staged`: values and types, the cache, what is captured, composition, errors, threads."""

from __future__ import annotations

import copy
import functools
import gc
import inspect
import pickle
import random
import threading
import warnings
import weakref
from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest

import wengert as wg
import wengert.numpy as wnp
from wengert import RetraceWarning
from wengert.errors import (
    ConcretizationError,
    DtypeError,
    EscapedTracerError,
    LeafTypeError,
    NonLinearError,
    NonScalarOutputError,
    ShapeError,
    UnsupportedError,
)
from wengert.transforms.staging.captured import SMALL

X = np.array([0.1, 0.5, 0.9])
W = np.array([[0.2, -0.4, 0.6], [0.1, 0.3, -0.5]])
Pair = namedtuple("Pair", ["left", "right"])

SCALE = 2.0
TABLE = {"w": np.ones(3), "names": ["a", "b"]}


@dataclass
class Model:
    """A tree of arrays."""

    w: Any
    b: Any = 0.0

    @wg.staged
    def norm(self) -> Any:
        """The norm of a part."""
        return np.linalg.norm(self.w)


@wg.staged
def doubled(x: Any) -> Any:
    """Twice the argument."""
    return 2.0 * x


def net(params: Any, x: Any) -> Any:
    """A small network."""
    h = np.tanh(params["w"] @ x + params["b"])
    return np.sum(h**2) + params["c"] * np.mean(x)


PARAMS = {"w": W, "b": np.array([0.1, -0.2]), "c": 0.7}


def counted(f: Callable[..., Any]) -> tuple[Callable[..., Any], list[int]]:
    """The function, and a list that gets longer each time it runs."""
    runs: list[int] = []

    @functools.wraps(f)
    def g(*args: Any, **kwargs: Any) -> Any:
        runs.append(1)
        return f(*args, **kwargs)

    return g, runs


def same(got: Any, want: Any) -> None:
    """Equal trees of the same types."""
    assert wg.tree.structure(got) == wg.tree.structure(want)
    for g, w in zip(wg.tree.leaves(got), wg.tree.leaves(want), strict=True):
        assert type(g) is type(w)
        np.testing.assert_allclose(g, w, rtol=1e-13, atol=1e-15)
        if isinstance(w, np.ndarray | np.generic):
            assert (g.shape, g.dtype) == (w.shape, w.dtype)


# Values.


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (np.sin, (X,)),
        (np.sin, (0.5,)),
        (np.sin, (np.float32(0.5),)),
        (lambda x: x * 2, (3.0,)),
        (lambda x: x * 2, (3,)),
        (lambda x: x + 1j, (3.0,)),
        (lambda x, y: x * y, (np.float32([1, 2]), 2.0)),
        (lambda x, y: x * y, (np.float32([1, 2]), np.float64(2.0))),
        (lambda x: x > 0.3, (X,)),
        (lambda x: x.astype(int), (X,)),
        (lambda x: np.sum(x), (np.zeros((0, 3)),)),
        (lambda x: x, (np.zeros((2, 0)),)),
        (lambda x: (x, x), (X,)),
        (lambda x: (x[:2], x[::-1], x.T), (X,)),
        (lambda x: {"b": x, "a": [x + 1.0, None, ()], "c": Pair(x, 2 * x)}, (X,)),
        (lambda x: OrderedDict(z=x, a=2 * x), (X,)),
        (lambda x: defaultdict(list, u=x), (X,)),
        (lambda x: (3, 2.5, 1j, np.float32(1.0)), (X,)),
        (lambda x: np.arange(3.0), (X,)),
        (lambda: np.ones(2), ()),
        (lambda x: np.linalg.solve(x, np.ones(2)), (np.array([[2.0, 1.0], [1.0, 3.0]]),)),
        (lambda x: np.fft.fft(x), (X,)),
        (lambda z: np.conj(z) * z, (X + 1j,)),
        (lambda p, x: net(p, x), (PARAMS, X)),
        (lambda *xs: np.stack(xs), (X, X, 2 * X)),
        (lambda xs: np.sum(xs[0]) * xs[1], ([X, 2.0],)),
        (lambda p: p.left - p.right, (Pair(X, 1.0),)),
        (lambda p: p["z"] - p["a"], (OrderedDict(z=X, a=1.0),)),
        (lambda t: t["x"] * len(t["mode"]), ({"x": X, "mode": "abc", "none": None},)),
        (lambda x: np.concatenate([x, x[:0]]), (X[::2],)),
    ],
)
def test_staged_is_eager(f: Callable[..., Any], args: tuple[Any, ...]) -> None:
    g, runs = counted(f)
    staged = wg.staged(g)
    want = f(*args)
    for _ in range(3):
        same(staged(*args), want)
    assert len(runs) == 1
    assert staged.cache_info()[:2] == (2, 1)


def test_dataclasses_are_trees() -> None:
    f = wg.staged(lambda m, x: Model(m.w * x, m.b))
    for _ in range(2):
        y = f(Model(X, 1.0), 2.0)
        assert type(y) is Model
        np.testing.assert_array_equal(y.w, 2 * X)
        assert y.b == 1.0
    assert f.cache_info().misses == 1


def test_zero_dimensional_arrays_give_scalars() -> None:
    f = wg.staged(lambda x: (x, x * 2.0))
    for _ in range(2):
        y, z = f(np.array(1.5))
        assert type(y) is type(z) is np.float64
        assert (y, z) == (1.5, 3.0)


def test_weak_and_strong_results_promote_as_without_staging() -> None:
    half = np.float32([0.5])
    for x in (3.0, np.float64(3.0), np.float32(3.0)):
        f = lambda s: s * 2
        assert (half * wg.staged(f)(x)).dtype == (half * f(x)).dtype


def test_results_own_their_memory() -> None:
    a = np.arange(6.0)
    k = np.ones(3)
    f = wg.staged(lambda x, y: (x, x, x[1:], y.T, np.broadcast_to(y[0], (2, 3)), k, np.real(x)))
    for _ in range(2):
        y = f(a, W)
        for i, u in enumerate(y):
            assert u.flags.writeable
            for v in (*y[:i], a, W, k):
                assert not np.shares_memory(u, v)
    before = f(a, W)
    kept = [u.copy() for u in before]
    f(2 * a, 2 * W)
    for u, v in zip(before, kept, strict=True):
        np.testing.assert_array_equal(u, v)


def test_writing_to_an_argument_leaves_the_callers_array_alone() -> None:
    def f(x: Any) -> Any:
        x[0] = 5.0
        x *= 2.0
        return x

    x = X.copy()
    staged = wg.staged(f)
    for _ in range(2):
        np.testing.assert_array_equal(staged(x), [10.0, 1.0, 1.8])
        np.testing.assert_array_equal(x, X)


def test_as_a_decorator() -> None:
    @wg.staged(static_argnames="n", cache_size=3)
    def f(x: Any, n: int = 2) -> Any:
        """Multiplies."""
        return x * n

    assert (f.__name__, f.__doc__, f.__wrapped__.__name__) == ("f", "Multiplies.", "f")
    assert repr(f) == "<staged f>"
    assert list(inspect.signature(f).parameters) == ["x", "n"]
    assert f.cache_info().maxsize == 3
    np.testing.assert_array_equal(f(X, n=3), 3 * X)
    assert doubled.__doc__ == "Twice the argument."


def test_functions_of_all_kinds() -> None:
    f = wg.staged(functools.partial(net, PARAMS))
    np.testing.assert_allclose(f(X), net(PARAMS, X))
    assert "partial" in repr(f)
    np.testing.assert_allclose(wg.staged(wg.staged(np.cos))(X), np.cos(X))

    class Scaled:
        factor = 3.0

        def __call__(self, x: Any) -> Any:
            return self.factor * x

    np.testing.assert_allclose(wg.staged(Scaled())(X), 3 * X)


# Arguments.


def test_keyword_arguments_are_traced() -> None:
    g, runs = counted(lambda x, *, scale, shift=0.0: x * scale + shift)
    f = wg.staged(g)
    np.testing.assert_allclose(f(X, scale=2.0), 2 * X)
    np.testing.assert_allclose(f(X, scale=3.0), 3 * X)
    assert len(runs) == 1
    np.testing.assert_allclose(f(X, shift=1.0, scale=3.0), 3 * X + 1)
    np.testing.assert_allclose(f(X, scale=3.0, shift=2.0), 3 * X + 2)
    assert len(runs) == 2
    np.testing.assert_allclose(wg.grad(lambda s: np.sum(f(X, scale=s)))(2.0), np.sum(X))


@pytest.mark.parametrize("static", [{"static_argnums": 1}, {"static_argnames": "n"}])
def test_static_arguments_by_position_and_name(static: Any) -> None:
    g, runs = counted(lambda x, n: x**n if n > 1 else x)
    g.__wrapped__ = lambda x, n: None  # type: ignore[attr-defined]  # its signature
    f = wg.staged(g, **static)
    for n, times in ((2, 1), (3, 2), (2, 2), (1, 3)):
        np.testing.assert_allclose(f(X, n), X**n)
        np.testing.assert_allclose(f(X, n), X**n)
        assert len(runs) == times
    np.testing.assert_allclose(f(X, n=3), X**3)
    np.testing.assert_allclose(f(X, n=3), X**3)


def test_static_values_are_compared_with_their_types() -> None:
    f = wg.staged(lambda x, n: x * 1.0 if type(n) is bool else x * 2.0 + n, static_argnums=-1)
    assert f(1.0, 1) == 3.0
    assert f(1.0, True) == 1.0
    assert f(1.0, 1.0) == 3.0
    g = wg.staged(lambda x, t: x * t[0] if type(t[0]) is int else -x, static_argnums=1)
    assert g(2.0, (1,)) == 2.0
    assert g(2.0, (1.0,)) == -2.0
    h = wg.staged(lambda x, z: np.copysign(x, z), static_argnums=1)
    assert h(2.0, 0.0) == 2.0
    assert h(2.0, -0.0) == -2.0
    nan = wg.staged(lambda x, z: x, static_argnums=1)
    nan(1.0, float("nan")), nan(1.0, -float("nan"))
    assert nan.cache_info().misses == 1


def test_static_leaves_are_part_of_the_signature() -> None:
    g, runs = counted(lambda x, f: f(x))
    staged = wg.staged(g)
    for f in (np.sin, np.cos, np.sin, doubled, lambda x: x):
        np.testing.assert_allclose(staged(X, f), f(X))
        np.testing.assert_allclose(staged(X, f), f(X))
    assert len(runs) == 4
    np.testing.assert_allclose(wg.jvp(lambda f, x: f(x), (doubled, X), (None, X))[1], 2 * X)
    words = np.array(["a", "b"])
    by_words = wg.staged(lambda t: t["x"] * float(t["s"][0] == "a"))
    assert by_words({"x": 2.0, "s": words}) == 2.0
    words[0] = "c"
    assert by_words({"x": 2.0, "s": words}) == 0.0
    assert by_words({"x": 2.0, "s": np.array(["a", "b"])}) == 2.0


@pytest.mark.filterwarnings("ignore::wengert.RetraceWarning")
def test_what_makes_a_signature() -> None:
    g, runs = counted(lambda t: wg.tree.map(lambda x: x * 2.0, t))
    f = wg.staged(g)
    trees: list[Any] = [
        X, X[:2], X.astype("f4"), X.astype(">f8"), 1.0, np.float64(1.0), np.float32(1.0), 1, True,
        [X], (X,), {"a": X}, {"b": X}, {"a": X, "b": X}, [X, X], [X, 1.0], [[X]], [None, X],
        Pair(X, X), Model(X), np.array(1.0), (X, X), OrderedDict(a=X),
    ]  # fmt: skip
    for t in trees:
        for _ in range(2):
            got = f(t)
            assert wg.tree.structure(got) == wg.tree.structure(t)
            for y, x in zip(wg.tree.leaves(got), wg.tree.leaves(t), strict=True):
                np.testing.assert_array_equal(y, x * 2.0)
    # An array without axes has the type of a NumPy scalar.
    assert len(runs) == len(trees) - 1
    f({"b": X, "a": X}), f(np.asfortranarray(X)), f(X[::-1])
    assert len(runs) == len(trees) - 1


def test_what_becomes_an_array() -> None:
    f = wg.staged(lambda x: np.sum(x) * 2.0)

    class Series:
        def to_numpy(self) -> Any:
            return X

    for _ in range(2):
        assert f(Series()) == f(X)
    x = wnp.zeros(3)
    x[:] = X
    for _ in range(2):
        assert f(x) == f(X)
        x[0] = 4.0
        assert f(x) == 2.0 * (4.0 + X[1] + X[2])
        x[0] = X[0]


def random_tree(r: random.Random, depth: int) -> Any:
    """A tree of arrays, numbers and static leaves."""
    if depth == 0 or r.random() < 0.3:
        leaves: list[Any] = [
            np.arange(float(r.randint(0, 3))), np.ones((2, r.randint(1, 2)), "f4"), r.random(),
            r.randint(0, 5), np.float32(0.5), 1j, np.array(3.0), True, f"s{r.randint(0, 2)}",
            np.sin, np.dtype("f4"), None, slice(1, r.randint(2, 3)), np.arange(3),
        ]  # fmt: skip
        return r.choice(leaves)
    below = [random_tree(r, depth - 1) for _ in range(r.randint(0, 3))]
    by_key = dict(zip(r.sample(["a", 1, (2, 3), "x y"], len(below)), below, strict=True))
    return r.choice([
        lambda: below,
        lambda: tuple(below),
        lambda: by_key,
        lambda: OrderedDict(by_key),
        lambda: defaultdict(list, by_key),
        lambda: Pair(below, random_tree(r, depth - 1)),
        lambda: Model(below),
    ])()  # fmt: skip


@pytest.mark.filterwarnings("ignore::wengert.RetraceWarning")
def test_random_trees_in_random_order() -> None:
    def f(*args: Any, **kwargs: Any) -> Any:
        double = lambda x: x if wg.core.tree.is_static_leaf(x) else x * 2
        return wg.tree.map(double, (args, kwargs))

    r = random.Random(0)
    calls = []
    for _ in range(60):
        names = r.sample(["self", "args", "k"], r.randint(0, 2))
        args = [random_tree(r, 3) for _ in range(r.randint(0, 3))]
        calls.append((args, {name: random_tree(r, 2) for name in names}))
    staged = wg.staged(f, cache_size=30)
    for i in range(600):
        args, kwargs = calls[i % 5] if i % 3 else r.choice(calls)
        want, got = f(*args, **kwargs), staged(*args, **kwargs)
        assert wg.tree.structure(got) == wg.tree.structure(want)
        for a, b in zip(wg.tree.leaves(got), wg.tree.leaves(want), strict=True):
            assert a is b or np.asarray(a).dtype == np.asarray(b).dtype
            assert np.array_equal(a, b)
    info = staged.cache_info()
    assert info.currsize == 30
    assert info.hits + info.misses == 600


def test_methods() -> None:
    class Layer:
        rate: ClassVar[float] = 1.0

        def __init__(self, w: Any) -> None:
            self.w = w

        @wg.staged
        def apply(self, x: Any, power: float = 1.0) -> Any:
            return self.shifted(x) * self.rate * power

        def shifted(self, x: Any) -> Any:
            return self.w @ x

        @wg.staged(static_argnums=2)
        def repeat(self, x: Any, n: int) -> Any:
            return [self.w @ x] * n

    a, b = Layer(W), Layer(2 * W)
    for _ in range(2):
        np.testing.assert_allclose(a.apply(X), W @ X)
        np.testing.assert_allclose(b.apply(X), 2 * W @ X)
        assert len(a.repeat(X, 2)) == 2
    assert Layer.apply.cache_info()[:2] == (2, 2)
    assert a.apply.cache_info().currsize == 2
    np.testing.assert_allclose(wg.jacobian(a.apply)(X), W)
    np.testing.assert_allclose(
        wg.grad(lambda x, power: np.sum(a.apply(x, power)), argnames="power")(X, power=2.0),
        np.sum(W @ X),
    )
    assert list(inspect.signature(a.apply).parameters) == ["x", "power"]
    assert "matmul" in a.apply.source(X)
    assert len(a.apply.program(X).inputs) == 1
    assert repr(a.apply).startswith("<bound staged apply of ")
    a.w = 3 * W
    np.testing.assert_allclose(a.apply(X), 3 * W @ X)
    Layer.rate = 2.0
    np.testing.assert_allclose(a.apply(X), 6 * W @ X)
    a.w[:] = W
    np.testing.assert_allclose(a.apply(X), 2 * W @ X)
    dead = weakref.ref(b)
    del b
    gc.collect()
    assert dead() is None


def test_methods_of_trees_are_traced() -> None:
    @dataclass
    class Affine:
        w: Any
        b: Any

        @wg.staged
        def apply(self, x: Any) -> Any:
            return self.w @ x + self.b

    for k in (1.0, 2.0):
        np.testing.assert_allclose(Affine(k * W, np.ones(2)).apply(X), k * W @ X + 1)
    assert Affine.apply.cache_info().misses == 1
    g = wg.grad(lambda m: np.sum(m.apply(X)))(Affine(W, np.ones(2)))
    np.testing.assert_allclose(g.w, np.stack([X, X]))


# The cache.


@pytest.mark.filterwarnings("ignore::wengert.RetraceWarning")
def test_the_least_recently_used_program_goes() -> None:
    g, runs = counted(lambda x: 2 * x)
    f = wg.staged(g, cache_size=2)
    a, b, c = (np.ones(n) for n in (1, 2, 3))
    f(a), f(b), f(a), f(c)
    assert f.cache_info() == (1, 3, 2, 2, ("(f64[1])", "(f64[3])"))
    f(a)
    assert len(runs) == 3
    f(b)
    assert len(runs) == 4
    assert f.cache_info().signatures == ("(f64[1])", "(f64[2])")
    f.clear_cache()
    assert f.cache_info() == (0, 0, 2, 0, ())
    f(a)
    assert len(runs) == 5
    unbounded = wg.staged(g, cache_size=None)
    for n in range(70):
        unbounded(np.ones(n)), unbounded(np.ones(n)), unbounded(np.ones(n))
    assert unbounded.cache_info()[:4] == (140, 70, None, 70)


@pytest.mark.filterwarnings("ignore::wengert.RetraceWarning")
def test_many_forms_of_arguments() -> None:
    f = wg.staged(lambda *t: np.sum(np.stack([np.sum(x) for x in wg.tree.leaves(t)])))
    forms: list[Any] = [[X] * n for n in range(1, 15)]
    for _ in range(3):
        for form in forms:
            np.testing.assert_allclose(f(form), len(form) * np.sum(X))
    assert f.cache_info()[:2] == (28, 14)


def test_signatures_are_shown() -> None:
    f = wg.staged(lambda x, n, *, t, mode: x * n, static_argnums=1, static_argnames="mode")
    f(X, 3, t={"a": 1.0, "s": "text"}, mode=(1, "z"))
    assert f.cache_info().signatures == (
        "(f64[3], 3, mode=(1, 'z'), t={'a': f64*[], 's': 'text'})",
    )


def test_source_and_program() -> None:
    f = wg.staged(net)
    program = f.program(PARAMS, X)
    wg.core.check_program(program)
    np.testing.assert_allclose(program(PARAMS, X), net(PARAMS, X))
    text = f.source(PARAMS, X)
    assert "params_w" in text
    assert "h = np.tanh" in text
    assert f.cache_info()[:2] == (0, 1)
    f(PARAMS, X)
    assert f.cache_info()[:2] == (1, 1)
    types = wg.tree.map(wg.core.aval_of, PARAMS), wg.core.aval_of(X)
    assert f.source(*types) == text
    assert f.cache_info()[:2] == (1, 1)
    by_name = wg.staged(lambda x, *, b, a: x * a + b).program(X, a=1.0, b=2.0)
    np.testing.assert_allclose(by_name(X, 3.0, 4.0), X * 3 + 4)


def test_pickles_and_copies() -> None:
    assert pickle.loads(pickle.dumps(doubled)) is doubled
    assert copy.copy(doubled) is doubled
    f = wg.staged(net, static_argnums=(), cache_size=5)
    again = pickle.loads(pickle.dumps(f))
    assert again.cache_info().maxsize == 5
    assert again(PARAMS, X) == f(PARAMS, X)
    norm = pickle.loads(pickle.dumps(Model(X).norm))
    assert norm() == np.linalg.norm(X)
    program = wg.linearize(f, PARAMS, X)[1].program
    loaded = pickle.loads(pickle.dumps(program))
    assert "staged[" in str(loaded)
    np.testing.assert_allclose(loaded(PARAMS, X), program(PARAMS, X))


# Warnings.


def retraced(f: Callable[..., Any], calls: Any) -> str:
    """The text of the one warning."""

    def call() -> None:
        for args, kwargs in calls:
            f(*args, **kwargs)

    with pytest.warns(RetraceWarning) as found:
        call()
    assert len(found) == 1
    assert found[0].filename == __file__
    return str(found[0].message)


def test_a_warning_says_why_a_function_is_traced_again_and_again() -> None:
    f = lambda x, n=1, t=None: np.sum(x) * n
    shapes = retraced(wg.staged(f), [((np.ones(k),), {}) for k in range(20)])
    assert "was traced 9 times in 9 calls" in shapes
    assert "the shape of argument 0: f64[7] -> f64[8]. Pad the arrays" in shapes
    static = retraced(wg.staged(f, static_argnums=1), [((X, k), {}) for k in range(20)])
    assert "static argument 1: 7 -> 8. Pass what takes many values as an ordinary" in static
    text = retraced(wg.staged(f), [((X, 1, {"a": str(k)}), {}) for k in range(20)])
    assert "the structure of argument 2['a']: the value '7' -> the value '8'" in text
    kinds = [np.dtype(k) for k in ("f4", "f8", "c8", "c16", "i1", "i2", "i4", "i8", "u1", "u2")]
    dtypes = retraced(wg.staged(f), [((X.astype(k),), {}) for k in kinds])
    assert "the dtype of argument 0: u8[3] -> u16[3]" not in dtypes
    assert "the dtype of argument 0: i64[3] -> u8[3]" in dtypes
    small = wg.staged(f, cache_size=1)
    evicted = retraced(small, [((np.ones(1 + k % 2),), {}) for k in range(20)])
    assert "its program was not kept, as cache_size is 1. Give staged a larger cache_" in evicted


def test_a_warning_names_what_was_captured() -> None:
    scale = 0.0

    def f(x: Any) -> Any:
        return x * scale

    staged = wg.staged(f)

    def change() -> None:
        nonlocal scale
        for _ in range(9):
            staged(X)
            scale += 1.0

    with pytest.warns(RetraceWarning, match=r"captured scale changed: 7\.0 -> 8\.0\. Pass what ch"):
        change()

    def g(w: Any) -> Any:
        hidden.w = w
        return np.sum(closing(X))

    class Hidden:
        w: Any = None

    hidden = Hidden()
    closing = wg.staged(lambda x: x * hidden.w)

    def differentiate() -> None:
        for _ in range(9):
            assert wg.grad(g)(2.0) == np.sum(X)

    with pytest.warns(RetraceWarning, match="closes over a traced value"):
        differentiate()


def test_no_warning_where_staging_pays() -> None:
    f = wg.staged(lambda x: np.sum(x))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(20):
            for _ in range(4):
                f(np.ones(n))
        for _ in range(20):
            f(X)


# What is captured.


def test_a_captured_array_that_was_written_to_is_seen() -> None:
    k = np.ones(3)
    zero = np.array(1.0)
    whole = np.arange(6.0)
    f = wg.staged(lambda x: x * k)
    for g, a in (
        (f, k),
        (wg.staged(lambda x: x * zero), zero),
        (wg.staged(lambda x: x * np.exp(k)), k),
        (wg.staged(lambda x: x * whole[1:4]), whole),
        (wg.staged(lambda x, c=k: x * c), k),
        (wg.staged(functools.partial(lambda c, x: x * c["k"], {"k": k})), k),
    ):
        for value in (2.0, 3.0, np.nan):
            g(X)
            a[...] = value
            np.testing.assert_array_equal(g(X), wg.tree.map(lambda y: y, g.__wrapped__(X)))
            np.testing.assert_array_equal(g(X), g.__wrapped__(X))
            a[...] = 1.0
    k[1] = np.nan
    f(X)
    misses = f.cache_info().misses
    f(X)
    assert f.cache_info().misses == misses


def test_a_small_array_is_compared_in_full() -> None:
    k = np.zeros(SMALL // 8)
    f = wg.staged(lambda x: x + k)
    f(0.0)
    for i in (0, 17, len(k) - 1):
        k[i] = 5.0
        assert f(0.0)[i] == 5.0


@pytest.mark.parametrize("order", ["C", "F", "strided"])
def test_of_a_large_array_a_sample_is_compared(order: Any) -> None:
    k = np.zeros((300, 100), order="C" if order == "strided" else order)
    if order == "strided":
        k = k[::2, ::3]
    f = wg.staged(lambda x: np.sum(x * k))
    assert f(1.0) == 0.0
    k += 1.0
    assert f(1.0) == k.size
    k[-1, -1] = 11.0
    assert f(1.0) == k.size + 10
    k[k.shape[0] // 2] = 0.0
    assert f(1.0) in (k.size + 10, k.size + 10 - k.shape[1])
    f.clear_cache()
    assert f(1.0) == k.size + 10 - k.shape[1]


@pytest.mark.filterwarnings("ignore::wengert.RetraceWarning")
def test_a_name_that_means_another_value_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    k, n, words = X, 2, ["a"]
    config = {"rate": 1.0, "w": X}

    class Settings:
        __slots__ = ("rate",)

        def __init__(self) -> None:
            self.rate = 1.0

    settings = Settings()

    def scaled(x: Any) -> Any:
        return x * SCALE

    helper: Callable[..., Any] = scaled

    def f(x: Any) -> Any:
        return helper(x) * k * n * len(words) * config["rate"] * settings.rate + TABLE["w"]

    g, runs = counted(f)
    staged = wg.staged(g)

    def check() -> None:
        before = len(runs)
        for _ in range(3):
            np.testing.assert_allclose(staged(X), f(X))
        assert len(runs) == before + 1

    check()
    k = 2 * X
    check()
    n = 3
    check()
    words.append("b")
    check()
    config["rate"] = 2.0
    check()
    settings.rate = 3.0
    check()
    monkeypatch.setitem(globals(), "SCALE", 4.0)
    check()
    monkeypatch.setitem(TABLE, "w", np.zeros(3))
    check()
    helper = np.negative
    check()
    before = len(runs)
    n, config["rate"] = int("3"), float("2.0")  # other objects, the same values
    staged(X)
    assert len(runs) == before


def test_names_of_attributes_are_no_globals() -> None:
    g, runs = counted(lambda m: m.SCALE * 2.0)
    f = wg.staged(g)

    @wg.tree.register_dataclass
    @dataclass
    class Holder:
        SCALE: Any

    f(Holder(1.0))
    globals()["SCALE"] = 17.0
    try:
        f(Holder(1.0))
    finally:
        globals()["SCALE"] = 2.0
    assert len(runs) == 1


def test_what_the_function_itself_changes_is_not_watched() -> None:
    runs, log = [], {"n": 0}
    n = 0

    class Counter:
        n = 0

    counter = Counter()

    def f(x: Any) -> Any:
        nonlocal n
        n += 1
        counter.n += 1
        log["n"] += 1
        runs.append(n)
        return x * 2.0

    staged = wg.staged(f)
    for _ in range(3):
        for x in (X, 1.0, np.float32(1.0)):
            staged(x)
    assert n == counter.n == log["n"] == len(runs) == 3


def test_captured_arrays_of_the_function_itself_die() -> None:
    big = np.ones(5000)
    f = wg.staged(lambda x: x + np.exp(big[:2000])[:1000])
    f(0.0)
    entry = next(iter(f._cache.entries.values()))
    assert entry.watch is not None
    alive = [r() for r, *_ in entry.watch.arrays if r() is not None]
    assert len(alive) == 1
    assert alive[0] is big


def test_a_captured_tracer_is_no_constant() -> None:
    state = {"w": 1.0}

    @wg.staged
    def f(x: Any) -> Any:
        return x * state["w"]

    def loss(w: Any) -> Any:
        state["w"] = w
        return f(3.0) ** 2

    assert f(2.0) == 2.0
    assert wg.grad(loss)(5.0) == 2 * 9.0 * 5.0
    assert wg.grad(wg.grad(loss))(5.0) == 18.0
    np.testing.assert_allclose(wg.vmap(wg.grad(loss))(X), 18.0 * X)
    state["w"] = 7.0
    assert f(2.0) == 14.0
    assert wg.grad(lambda w: wg.staged(lambda x: x * np.sin(w))(2.0))(0.0) == 2.0
    assert wg.grad(lambda w: wg.staged(lambda x: x * np.sin(w))(w))(0.5) == np.sin(
        0.5
    ) + 0.5 * np.cos(0.5)


# Composition.


@wg.custom_jvp
def bent(x: Any) -> Any:
    """A function with a derivative of its own."""
    return np.sin(x)


bent.defjvp(lambda primals, tangents: (bent(primals[0]), 3.0 * tangents[0] * np.cos(primals[0])))


@wg.custom_vjp
def pulled(x: Any) -> Any:
    """A function with a pullback of its own."""
    return np.sin(x)


pulled.defvjp(lambda x: (np.sin(x), x), lambda x, ct: (7.0 * ct * np.cos(x),))

POINTS: dict[str, Callable[..., Any]] = {
    "polynomial": lambda x: x**3 + 2.0 * x[::-1] * x,
    "matrix": lambda x: np.tanh(W @ x) @ W,
    "reduced": lambda x: x * np.sum(x * x) / np.max(x),
    "joined": lambda x: np.concatenate([np.sin(x[1:]), x[:1]]) * np.stack([x, x])[0],
    "custom": lambda x: wg.stop_gradient(x) * x + wg.checkpoint(np.sin)(x),
    "scan": lambda x: wg.scan(lambda c, a: (c * a + x, c), x, x)[1][1],
    "cond": lambda x: wg.cond(np.sum(x) > 0, np.sin, np.cos, x) * x,
    "while": lambda x: wg.while_loop(lambda c: np.sum(c) < 5.0, lambda c: c * (1.0 + x), x),
    "constant": lambda x: np.ones(3),
    "custom_jvp": lambda x: bent(x) * x,
    "linear_call": lambda x: wg.linear_call(lambda r, v: v * r, lambda r, ct: 2 * ct * r, x, x),
    "root": lambda x: wg.root(lambda z: z**3 + z - x, x),
}


@pytest.mark.parametrize("name", POINTS)
def test_derivatives_and_batches_of_staged_functions(name: str) -> None:
    f = POINTS[name]
    s = wg.staged(f)
    v = np.array([0.3, -0.2, 0.5])
    xs = np.stack([X, 1.1 * X])
    total = lambda g: lambda x: np.sum(np.sin(g(x)))
    transformed: list[Callable[..., Any]] = [
        lambda g: g(X),
        lambda g: wg.jvp(g, (X,), (v,)),
        lambda g: wg.linearize(g, X)[1](v),
        lambda g: wg.vjp(g, X)[1](v),
        lambda g: wg.grad(total(g))(X),
        lambda g: wg.value_and_grad(total(g))(X),
        lambda g: wg.jacfwd(g)(X),
        lambda g: wg.jacrev(g)(X),
        lambda g: wg.hessian(total(g))(X),
        lambda g: wg.hvp(total(g), (X,), (v,)),
        lambda g: wg.vmap(g)(xs),
        lambda g: wg.vmap(g, in_axes=1, out_axes=1)(xs.T),
        lambda g: wg.vmap(wg.vmap(g))(xs[None]),
        lambda g: wg.vmap(wg.grad(total(g)))(xs),
        lambda g: wg.grad(lambda x: np.sum(wg.vmap(g)(x) ** 2))(xs),
        lambda g: wg.jvp(lambda x: wg.vjp(g, x)[1](v)[0], (X,), (v,)),
        lambda g: wg.vjp(lambda x: wg.jvp(g, (x,), (v,))[1], X)[1](v),
        lambda g: wg.make_program(wg.grad(total(g)))(X)(X),
        lambda g: wg.grad(wg.make_program(total(g))(X))(X),
        lambda g: wg.staged(wg.grad(total(g)))(X),
        lambda g: wg.grad(wg.staged(total(g)))(X),
        lambda g: wg.staged(lambda x: wg.staged(g)(x) + g(x))(X),
        lambda g: wg.scan(lambda c, _: (0.5 * g(c), c), X, None, length=3),
        lambda g: wg.grad(lambda x: np.sum(wg.fori_loop(0, 3, lambda i, c: 0.3 * g(c), x)))(X),
        lambda g: wg.vmap(lambda x: wg.cond(x[0] > 0.105, g, np.cos, x))(xs),
        lambda g: wg.map(g, xs),
        lambda g: wg.checkpoint(total(g))(X),
        lambda g: wg.grad(wg.checkpoint(total(g)))(X),
        lambda g: wg.vmap(g, axis_name="i")(xs),
        lambda g: wg.vmap(g, control_flow="split")(xs),
    ]
    for i, by in enumerate(transformed):
        want = by(f)
        for _ in range(2):
            got = by(s)
            assert wg.tree.structure(got) == wg.tree.structure(want), i
            for a, b in zip(wg.tree.leaves(got), wg.tree.leaves(want), strict=True):
                assert type(a) is type(b), i
                np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13, err_msg=str(i))


def test_custom_pullbacks_are_used() -> None:
    f = wg.staged(lambda x: np.sum(pulled(x) * 2.0))
    due = 14.0 * np.cos(X)
    for _ in range(2):
        np.testing.assert_allclose(wg.grad(f)(X), due)
        np.testing.assert_allclose(wg.vjp(f, X)[1](1.0)[0], due)
        np.testing.assert_allclose(wg.staged(wg.grad(f))(X), due)
        np.testing.assert_allclose(wg.vmap(wg.grad(f))(X[None])[0], due)
        np.testing.assert_allclose(wg.grad(lambda x: np.sum(wg.vmap(f)(x)))(X[None])[0], due)


def test_results_without_a_derivative_may_be_written_to() -> None:
    staged = wg.staged(lambda x: (np.where(x > 0.3, x * 2.0, x), x > 0.3))

    def f(x: Any) -> Any:
        y, mask = staged(x)
        mask[:] = False
        return np.sum(y * y)

    np.testing.assert_allclose(wg.grad(f)(X), [0.2, 4.0, 7.2])


def test_derived_programs_are_kept() -> None:
    g, runs = counted(net)
    f = wg.staged(g)
    passed: list[Callable[[], Any]] = [
        lambda: wg.jvp(f, (PARAMS, X), (PARAMS, X)),
        lambda: wg.vjp(f, PARAMS, X)[1](1.0),
        lambda: wg.grad(f)(PARAMS, X),
        lambda: wg.vmap(f, in_axes=(None, 0))(PARAMS, W),
        lambda: wg.vmap(wg.grad(f), in_axes=(None, 0))(PARAMS, W),
        lambda: wg.hvp(f, (PARAMS, X), (PARAMS, X)),
    ]
    for run in passed:
        first = run()
        before = len(runs), [len(e.body._derived) for e in f._cache.entries.values()]
        again = run()
        assert before == (len(runs), [len(e.body._derived) for e in f._cache.entries.values()])
        for a, b in zip(wg.tree.leaves(first), wg.tree.leaves(again), strict=True):
            np.testing.assert_array_equal(a, b)
    assert len(runs) == 2  # by itself, and as its gradient


def test_the_gradient_of_a_staged_function_is_staged() -> None:
    g, runs = counted(net)
    f = wg.staged(g, cache_size=7)
    want = wg.value_and_grad(net, argnums=(0, 1))(PARAMS, X)
    for _ in range(3):
        same(wg.value_and_grad(f, argnums=(0, 1))(PARAMS, X), want)
    assert len(runs) == 1
    same(wg.grad(f, argnums=1)(PARAMS, X), want[1][1])
    assert wg.grad(f).__name__ == "net"
    f.clear_cache()
    wg.grad(f, argnums=1)(PARAMS, X)
    assert len(runs) == 3
    value, _ = wg.value_and_grad(wg.staged(lambda x: x * 2))(3.0)
    assert type(value) is np.float64
    (value, aux), _ = wg.value_and_grad(wg.staged(lambda x: (x * 2, "a")), has_aux=True)(3.0)
    assert type(value) is np.float64
    assert aux == "a"
    with pytest.raises(NonScalarOutputError, match="returned an array"):
        wg.grad(doubled)(X)
    with pytest.raises(DtypeError, match="consists of integers"):
        wg.grad(doubled)(2)


def test_gradients_with_static_arguments() -> None:
    g, runs = counted(lambda x, n, *, mode="power": np.sum(x**n if mode == "power" else x * n))
    f = wg.staged(g, static_argnames=("n", "mode"))
    gradient = wg.grad(f)
    for _ in range(3):
        np.testing.assert_allclose(gradient(X, 3), 3 * X**2)
        np.testing.assert_allclose(gradient(X, n=2, mode="times"), np.full(3, 2.0))
        np.testing.assert_allclose(wg.grad(f, argnames="x")(n=2, x=X), 2 * X)
        np.testing.assert_allclose(wg.jvp(lambda x: f(x, 3), (X,), (X,))[1], 3 * np.sum(X**3))
    assert len(runs) == 4


def test_residuals_are_no_copies_of_arguments() -> None:
    f = wg.staged(lambda w, x: np.sum(np.tanh(x @ w.T) @ w))
    wg.vjp(f, W, np.stack([X, X]))
    (entry,) = f._cache.entries.values()
    parts = entry.body.linearized((True, True))
    assert len(parts.forward.program.outputs) == 1 + 2  # tanh and its slope
    assert sum(given for given, _ in parts.residuals) == 2
    wg.core.check_program(parts.forward.program)
    wg.core.check_program(parts.linear.program)


def test_in_a_program_it_is_inlined() -> None:
    f = lambda x: np.sin(x) * 2.0
    text = str(wg.make_program(f)(X))
    assert str(wg.make_program(wg.staged(f))(X)) == text
    assert str(wg.make_program(wg.staged(wg.staged(f)))(X)) == text
    lines = wg.make_program(doubled)(X).pretty(source=True)
    assert "(doubled): return 2.0 * x" in lines


def test_it_prints_with_its_program() -> None:
    program = wg.linearize(wg.staged(np.sin), X)[1].program
    wg.core.check_program(program)
    assert "staged[body=linear part of sin, linear=(False, True)] b a" in str(program)
    assert "program: program (a: f64[3], b: f64[3]) -> (f64[3]) {" in str(program)


def test_linear_transpose() -> None:
    f = lambda x: 3.0 * x[1:]
    (x,) = wg.linear_transpose(wg.staged(f), X)(np.ones(2))
    np.testing.assert_array_equal(x, [0, 3, 3])
    with pytest.raises(NonLinearError, match="it applies 'sin' to its argument"):
        wg.linear_transpose(wg.staged(np.sin), X)
    assert "lambda" not in str(x)


def test_collectives_know_their_axis() -> None:
    f = wg.staged(lambda x: x / wg.psum(x, "i"))
    np.testing.assert_allclose(wg.vmap(f, axis_name="i")(X), X / np.sum(X))
    np.testing.assert_allclose(wg.vmap(f, axis_name="i")(2 * X), X / np.sum(X))


def test_integers_and_static_leaves_under_derivatives() -> None:
    f = wg.staged(lambda t, i: (t["x"] * t["n"] + i, t["n"] + i, t["s"]))
    for _ in range(2):
        y, y_dot = wg.jvp(
            lambda x: f({"x": x, "n": 2, "s": "a"}, np.arange(3)), (X,), (np.ones(3),)
        )
        np.testing.assert_allclose(y[0], 2 * X + np.arange(3))
        np.testing.assert_array_equal(y[1], 2 + np.arange(3))
        assert y[2] == "a"
        np.testing.assert_allclose(y_dot[0], 2.0)
        _, pullback = wg.vjp(lambda x: f({"x": x, "n": 2, "s": "a"}, 1), X)
        (ct,) = pullback((np.ones(3), None, None))
        np.testing.assert_allclose(ct, 2.0)


def test_single_precision_and_complex() -> None:
    f = lambda x, s: np.sum(np.exp(x) * s)
    x = X.astype("f4")
    staged = wg.staged(f)
    for _ in range(2):
        assert wg.grad(staged)(x, 2.0).dtype == np.float32
        y, pullback = wg.vjp(staged, x, 2.0)
        assert y.dtype == np.float32
        assert [a.dtype for a in pullback(np.float32(1.0))] == [np.float32, np.float64]
        g = wg.vjp(staged, X + 1j, 2.0)[1](1.0 + 0j)
        for a, b in zip(g, wg.vjp(f, X + 1j, 2.0)[1](1.0 + 0j), strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b)


# Errors.


def test_errors_of_the_options() -> None:
    with pytest.raises(DtypeError, match="first argument must be a function"):
        wg.staged(3.0)  # type: ignore[call-overload]
    with pytest.raises(DtypeError, match="cache_size must be a positive int, or None"):
        wg.staged(np.sin, cache_size=0)
    with pytest.raises(DtypeError, match="static_argnums must be ints"):
        wg.staged(net, static_argnums="x")
    with pytest.raises(DtypeError, match="static_argnames must be names"):
        wg.staged(net, static_argnames=3)  # type: ignore[call-overload]
    with pytest.raises(ShapeError, match=r"static_argnums=\[2\] is out of range"):
        wg.staged(net, static_argnums=2)
    with pytest.raises(ShapeError, match="static_argnames has a name that no argument has"):
        wg.staged(net, static_argnames="z")
    with pytest.raises(ShapeError, match=r"static_argnums=\[3\] is out of range"):
        wg.staged(lambda *xs: xs, static_argnums=3)(X)


def test_static_arguments_must_be_hashable() -> None:
    f = wg.staged(lambda x, n: x, static_argnums=1)
    with pytest.raises(DtypeError, match=r"static argument 1 is not hashable(.|\n)*a tuple"):
        f(X, [1])
    with pytest.raises(DtypeError, match=r"static argument 1 is not hashable(.|\n)*ordinary arg"):
        f(X, X)
    f(X, (1,))
    f(X, (1,))
    with pytest.raises(DtypeError, match="static argument n is not hashable"):
        f(X, n=[1])
    with pytest.raises(DtypeError, match="static argument 1 is not hashable"):
        f(X, {})


def test_unknown_objects_are_no_leaves() -> None:
    with pytest.raises(LeafTypeError, match=r"staged net: argument 1 is neither an arr"):
        wg.staged(net)(PARAMS, object())
    with pytest.raises(LeafTypeError, match=r"the result.* is neither an array nor a number"):
        wg.staged(lambda x: object())(X)


def test_python_control_flow_on_values() -> None:
    def sign(x: Any, up: Any) -> Any:
        if up > 0:  # here
            return x
        return -x

    f = wg.staged(sign)
    with pytest.raises(ConcretizationError) as error:
        f(X, 1.0)
    text = str(error.value)
    assert "in a staged function it stands for every value of its type" in text
    assert "static: wg.staged(f, static_argnums=...)" in text
    assert "wengert.cond, wengert.while_loop" in text
    assert "(sign): if up > 0:  # here" in text
    assert all("wengert" not in str(t.path) for t in error.traceback[1:-1])
    np.testing.assert_array_equal(wg.staged(sign, static_argnames="up")(X, 1.0), X)
    with pytest.raises(ConcretizationError, match="in a staged function it stands"):
        wg.staged(wg.grad(lambda x: x if x > 0 else -x))(1.0)
    with pytest.raises(ConcretizationError, match="in make_program it stands"):
        wg.make_program(sign)(X, 1.0)
    with pytest.raises(ConcretizationError, match="in a staged function it stands"):
        wg.grad(f, argnums=1)(1.0, 1.0)
    with pytest.raises(ConcretizationError, match="an index"):
        wg.staged(lambda x, n: [x][n])(X, 0)


def test_random_draws_are_refused() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(UnsupportedError, match=r"staged .*: the generator rng drew random numbers"):
        wg.staged(lambda x: x + rng.normal())(X)
    with pytest.raises(UnsupportedError, match=r"would be the same in every call(.|\n)*wengert.r"):
        wg.staged(lambda x, g: x + g.normal())(X, rng)
    with pytest.raises(UnsupportedError, match="drew random numbers"):
        wg.staged(lambda x, g: x + g.normal(), static_argnums=1)(X, rng)
    with pytest.raises(UnsupportedError, match="drew random numbers"):
        wg.staged(lambda x: wg.random.normal(rng, x, 1.0))(X)


def test_a_failed_trace_leaves_nothing_behind() -> None:
    f = wg.staged(lambda x: x.no_such_method())
    for _ in range(2):
        with pytest.raises(AttributeError, match="no_such_method"):
            f(X)
    assert f.cache_info().currsize == 0
    assert wg.core.tracing.RUNNING.traces == []
    np.testing.assert_array_equal(doubled(X), 2 * X)


def test_errors_while_the_program_runs() -> None:
    f = wg.staged(np.linalg.inv)
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        f(np.zeros((2, 2)))
    np.testing.assert_array_equal(f(np.eye(2)), np.eye(2))
    with pytest.raises(np.linalg.LinAlgError, match="Singular"):
        f(np.zeros((2, 2)))


def test_escaped_values() -> None:
    kept: list[Any] = []

    @wg.staged
    def f(x: Any) -> Any:
        kept.append(x * 2.0)
        return x

    f(X)
    with pytest.raises(EscapedTracerError, match="escaped from staged of f"):
        kept[0] + 1.0
    with pytest.raises(EscapedTracerError, match="escaped from staged of f"):
        doubled(kept[0])


# Threads.


def test_many_threads_call_one_function() -> None:
    f = wg.staged(lambda p, x: np.tanh(x @ p["w"].T) @ p["w"] + p["c"], cache_size=4)
    g = wg.grad(lambda p, x: np.sum(f(p, x)))
    want = {}
    for n in range(1, 7):
        x = np.linspace(0, n, 3 * n).reshape(n, 3)
        p = {"w": n * W, "c": float(n)}
        want[n] = (p, x, np.tanh(x @ p["w"].T) @ p["w"] + p["c"], g(p, x))
    start = threading.Barrier(8)

    def work(k: int) -> None:
        start.wait()
        for i in range(60):
            p, x, y, ct = want[1 + (i * (k + 1)) % 6]
            np.testing.assert_array_equal(f(p, x), y)
            if i % 5 == 0:
                found = g(p, x)
                np.testing.assert_allclose(found["w"], ct["w"], rtol=1e-12)
                assert found["c"] == ct["c"]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RetraceWarning)
        with ThreadPoolExecutor(8) as pool:
            for done in [pool.submit(work, k) for k in range(8)]:
                done.result(timeout=60)
    assert f.cache_info().currsize <= 4


@pytest.mark.filterwarnings("ignore::wengert.RetraceWarning")
def test_many_threads_trace_at_once() -> None:
    start = threading.Barrier(8)
    f = wg.staged(lambda x, n: x * n, static_argnums=1)

    def work(k: int) -> Any:
        start.wait()
        return [f(X, n)[0] for n in range(20)]

    with ThreadPoolExecutor(8) as pool:
        found = [pool.submit(work, k) for k in range(8)]
        for done in found:
            assert done.result(timeout=60) == [X[0] * n for n in range(20)]
    info = f.cache_info()
    assert info.currsize == 20
    assert info.hits + info.misses == 160


def test_it_may_be_called_while_it_runs() -> None:
    def outside(x: Any) -> Any:
        if x[0] > 8.0:
            return x
        return staged(2.0 * np.asarray(x))

    staged = wg.staged(lambda x: called(x + 0.0) + 1.0)
    called = wg.numerical_rule(outside, result_like=lambda x: x)
    for _ in range(2):
        np.testing.assert_array_equal(staged(np.full(3, 1.0)), np.full(3, 21.0))


def test_recursion_over_static_arguments() -> None:
    @wg.staged(static_argnums=1)
    def power(x: Any, n: int) -> Any:
        return x if n == 1 else x * power(x, n - 1)

    np.testing.assert_allclose(power(X, 5), X**5)
    np.testing.assert_allclose(wg.grad(lambda x: np.sum(power(x, 3)))(X), 3 * X**2)


# What loops count with, and what happens when the program runs.


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
def test_counters_of_loops_do_not_decide_dtypes(dtype: Any) -> None:
    f = lambda x: wg.fori_loop(0, 20, lambda i, c: c * 0.9 + i * 1e-3, x)
    x = np.ones(3, dtype)
    got = wg.staged(f)(x)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, f(x), rtol=1e-5)
    assert wg.staged(wg.grad(lambda x: np.sum(np.abs(f(x)))))(np.abs(x)).dtype == np.abs(x).dtype


def test_a_number_is_handed_to_a_loop_in_a_loop() -> None:
    def f(k: Any) -> Any:
        def outer(c: Any, _: Any) -> Any:
            slope = np.sin(c)
            inner = lambda d, _: (d * slope + 1.0, None)
            return wg.scan(inner, c, length=3)[0], None

        return wg.scan(outer, k, length=4)[0]

    np.testing.assert_allclose(wg.staged(f)(0.5), f(0.5))
    np.testing.assert_allclose(wg.staged(wg.grad(f))(0.5), wg.grad(f)(0.5))


def test_errors_of_a_run_leave_the_function_as_it_was() -> None:
    f = wg.staged(lambda a: np.tanh(np.linalg.inv(np.tanh(a)) * 2.0))
    good, bad = np.eye(2), np.zeros((2, 2))
    want = f(good)
    for _ in range(6):
        with pytest.raises(np.linalg.LinAlgError):
            f(bad)
        np.testing.assert_array_equal(f(good), want)


def test_a_function_that_raises_while_traced_is_traced_again() -> None:
    calls = []

    @wg.staged
    def f(x: Any) -> Any:
        calls.append(x)
        if len(calls) < 3:
            raise KeyError("not yet")
        return x * 2.0

    for _ in range(2):
        with pytest.raises(KeyError, match="not yet"):
            f(1.0)
    assert f(1.0) == f(1.0) == 2.0
    assert len(calls) == 3


def test_captured_arrays_that_change_under_transformations() -> None:
    a, x = np.ones(3), np.array([1.0, 2.0, 3.0])
    f = wg.staged(lambda x: np.sum(x * x * a))
    transforms: list[Callable[[], Any]] = [
        lambda: wg.grad(f)(x),
        lambda: wg.vmap(f)(x[None]),
        lambda: wg.jvp(f, (x,), (x,))[1],
        lambda: wg.vjp(f, x)[1](1.0)[0],
        lambda: wg.hessian(f)(x),
    ]
    for transform in transforms:
        a[:] = 1.0
        before = transform()
        a[:] = 4.0
        np.testing.assert_allclose(transform(), 4 * before)


def test_generators_of_results_are_refused() -> None:
    def f(x: Any) -> Any:
        yield x

    with pytest.raises(wg.errors.LeafTypeError, match="staged f: the result"):
        wg.staged(f)(1.0)


def test_threads_differentiate_many_shapes() -> None:
    f = wg.staged(lambda x: np.sum(np.tanh(x) ** 2), cache_size=8)
    gradient = wg.grad(f)

    def work(k: int) -> bool:
        draw = np.random.default_rng(k)
        for n in draw.integers(1, 30, 125):
            x = draw.normal(size=n)
            t = np.tanh(x)
            if not np.allclose(gradient(x), 2 * t * (1 - t * t)):
                return False
        return True

    with warnings.catch_warnings(), ThreadPoolExecutor(8) as pool:
        warnings.simplefilter("ignore", wg.RetraceWarning)
        assert all(pool.map(work, range(8)))


def test_a_number_from_a_function_with_rules_of_its_own() -> None:
    """Its primitive returns a tuple of one, of which the number is computed with."""

    @wg.custom_jvp
    def f(x: Any) -> Any:
        return 2 * np.sin(x)

    f.defjvp(lambda primals, tangents: (f(*primals), 2 * np.cos(primals[0]) * tangents[0]))
    for x in (0.6, np.float64(0.6), np.array([0.6, 0.7])):
        np.testing.assert_allclose(wg.staged(lambda x: f(x) * f(x))(x), f(x) * f(x))
    root = lambda a: wg.root(lambda x: x * x - a, 1.0)
    np.testing.assert_allclose(wg.staged(lambda a: root(a) * root(a))(2.0), 2.0)
