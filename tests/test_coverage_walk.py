"""Walks over all of NumPy: whatever it has either works on traced values or is refused by name."""

from __future__ import annotations

import inspect
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import wengert as wg
from wengert.core import dispatch, refused
from wengert.core.array_tracer import ArrayTracer

X = np.array([1.0, 2.0, 3.0])
TRANSFORMS = {
    "grad": lambda f: wg.grad(f)(X),
    "jvp": lambda f: wg.jvp(f, (X,), (X,)),
    "vmap": lambda f: wg.vmap(f)(X[None]),
    "make_program": lambda f: wg.make_program(f)(X),
}


# Functions that NumPy hands over.


def _dispatching(module: ModuleType) -> list[Any]:
    """The functions of a module that ask their arguments for `__array_function__`."""
    found = {
        id(f): f
        for name, f in vars(module).items()
        if hasattr(f, "_implementation") and name not in _DEPRECATED
    }
    return sorted(found.values(), key=dispatch.name_of)


_DEPRECATED = {"in1d", "trapz", "tostring"}
"""What older versions of NumPy still have."""


def _ufuncs() -> list[np.ufunc]:
    return sorted({f for f in vars(np).values() if isinstance(f, np.ufunc)}, key=str)


ALL = [*_dispatching(np), *_dispatching(np.linalg), *_dispatching(np.fft), *_ufuncs()]


def test_the_walk_finds_numpy() -> None:
    assert len(ALL) > 340


@pytest.mark.parametrize("function", ALL, ids=dispatch.name_of)
def test_every_function_has_a_rule_or_a_reason(function: Any) -> None:
    name = dispatch.name_of(function)
    has_rule = function in dispatch.FUNCTIONS or function in dispatch.UFUNCS
    assert has_rule != (name in refused.FUNCTIONS)
    if has_rule:
        return

    def f(x: Any) -> Any:
        if isinstance(function, np.ufunc):
            return function(x)
        return x.__array_function__(function, (type(x),), (x,), {})

    for transform in TRANSFORMS.values():
        with pytest.raises(wg.errors.UnsupportedError) as caught:
            transform(f)
        text = str(caught.value)
        why, instead = refused.FUNCTIONS[name]
        assert text.startswith(f"{name} has no rule for traced values: {why}.")
        assert instead in text


@pytest.mark.parametrize("name", refused.FUNCTIONS)
def test_every_reason_is_for_a_function_of_numpy(name: str) -> None:
    assert callable(getattr(np, name.removeprefix("np.")))


def test_names_like_those_of_supported_functions_are_told() -> None:
    supported = [dispatch.name_of(f) for f in dispatch.FUNCTIONS]
    assert "np.cumsum" in refused.advice("np.cumsums", supported)[1]
    assert "similar" not in refused.advice("np.qqqq", supported)[1]


# What NumPy does not hand over: it may not lose what is traced without a word.

_NOT_OF_ARRAYS = {
    *("bmat", "get_include", "getbufsize", "geterr", "geterrcall", "get_printoptions", "info"),
    *("seterr", "seterrcall", "setbufsize", "set_printoptions", "show_config", "show_runtime"),
    *("test", "printoptions", "iterable", "isscalar", "typename", "fromregex", "load", "save"),
}
"""Functions about other things than the values of arrays."""


def _others() -> list[str]:
    return [
        name
        for name, f in vars(np).items()
        if callable(f)
        and not name.startswith("_")
        and not isinstance(f, type | np.ufunc)
        and not hasattr(f, "_implementation")
        and name not in _NOT_OF_ARRAYS
    ]


@pytest.mark.parametrize("transform", ["jvp", "vmap", "make_program"])
@pytest.mark.parametrize("name", _others())
def test_other_functions_do_not_lose_traced_values(name: str, transform: str) -> None:
    function = getattr(np, name)
    refusals = (wg.errors.WengertError, TypeError, AttributeError)

    def f(x: Any) -> Any:
        more = () if name in _OF_ONE else ((3, x), (3, x[0]))
        for args in ((x,), (x[0],), *more):
            try:
                y = function(*args)
            except refusals:
                continue
            except (ValueError, RuntimeError, np.exceptions.VisibleDeprecationWarning):
                continue
            except (DeprecationWarning, PendingDeprecationWarning):
                return x
            assert not isinstance(y, np.ndarray) or y.dtype.kind not in "fc" or name in _CREATE, (
                f"np.{name} made a plain array of a traced value: {y}"
            )
        return x

    TRANSFORMS[transform](f)


_CREATE = {"empty", "eye", "identity", "ones", "tri", "zeros"}
"""Functions whose arguments say how long the array is to be."""

_OF_ONE = {
    *("array", "asanyarray", "asarray", "asarray_chkfinite", "ascontiguousarray"),
    *("asfortranarray", "asmatrix", "require"),
}
"""Functions whose second argument is a dtype."""


@pytest.mark.parametrize("name", refused.CALLABLES)
def test_iterators_are_refused_by_name(name: str) -> None:
    iterators = {
        "nditer": lambda x: np.nditer(x),
        "nested_iters": lambda x: np.nested_iters(np.outer(x, x), [[0], [1]]),
        "ndenumerate": lambda x: np.ndenumerate(x),
        "broadcast": lambda x: np.broadcast(x, x),
        "fromiter": lambda x: np.fromiter(x, float),
    }
    doubled = np.vectorize(lambda x: 2 * x)

    def f(x: Any) -> Any:
        return doubled(x) if name == "vectorize" else iterators[name](x)

    with pytest.raises(wg.errors.WengertError, match=name):
        TRANSFORMS["jvp"](f)


# Methods and attributes.

_PROTOCOL = {
    "__array_finalize__": "for subclasses of ndarray",
    "__array_interface__": "hands out the memory; a tracer must not have it",
    "__array_struct__": "hands out the memory; a tracer must not have it",
    "__array_wrap__": "for subclasses of ndarray",
    "__buffer__": "hands out the memory; a tracer must not have it",
    "__class_getitem__": "for annotations",
    "__setstate__": "for pickles, which are refused",
}
"""What a tracer does not have, and why."""


def _members() -> list[str]:
    return [
        name
        for name in dir(np.ndarray)
        if name not in vars(object)
        and name not in _DEPRECATED
        and (name[0] != "_" or name[:2] == "__")  # NumPy's own private members
        and hasattr(np.eye(2), name)
    ]


@pytest.mark.parametrize("name", _members())
def test_every_member_of_ndarray_is_there_or_has_a_reason(name: str) -> None:
    assert (inspect.getattr_static(ArrayTracer, name, None) is not None) != (name in _PROTOCOL)


_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "argpartition": (1,),
    "astype": (np.float32,),
    "choose": ([X, X],),
    "compress": ([True, False, True],),
    "dot": (X,),
    "fill": (1.0,),
    "partition": (1,),
    "put": (0, 1.0),
    "repeat": (2,),
    "reshape": (3, 1),
    "searchsorted": (1.5,),
    "setfield": (1.0, "f8"),
    "swapaxes": (0, 0),
    "take": (0,),
    "to_device": ("cpu",),
    "item": (0,),
    "dump": ("x",),
    "tofile": ("x",),
    "getfield": ("f4",),
    "view": ("i8",),
    "diagonal": (),
    "trace": (),
}


def _public() -> list[str]:
    return [name for name in _members() if not name.startswith("_")]


@pytest.mark.parametrize("name", _public())
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_every_public_member_works_or_is_refused(name: str, transform: str) -> None:
    is_method = callable(getattr(np.ndarray, name))
    square = name in ("diagonal", "trace", "mT")

    def f(x: Any) -> Any:
        y = np.outer(x, x) if square else np.copy(x)
        if name == "choose":
            y = (y > 1.5).astype(int)
        if name in refused.METHODS:
            with pytest.raises(wg.errors.UnsupportedError) as caught:
                getattr(y, name)(*_ARGUMENTS.get(name, ()))
            assert str(caught.value).startswith(f"x.{name}: {refused.METHODS[name][0]}.")
            assert refused.METHODS[name][1] in str(caught.value)
            return np.sum(x)
        try:
            found = getattr(y, name)
            if is_method:
                found(*_ARGUMENTS.get(name, ()))
        except wg.errors.WengertError as error:
            text = str(error)
            assert name in text or "concrete" in text
            assert "fix:" in text
            assert (name, transform) in _NEEDS_VALUES or name == "resize", text
        return np.sum(x)

    TRANSFORMS[transform](f)


_NEEDS_VALUES = {
    (name, transform)
    for name in ("item", "tobytes", "tolist", "nonzero")
    for transform in ("vmap", "make_program")
}
"""What needs concrete values is refused where there are none."""


def test_attributes_that_are_refused_count_as_missing() -> None:
    def f(x: Any) -> Any:
        assert not hasattr(x, "data")
        assert getattr(x, "ctypes", None) is None
        return x

    TRANSFORMS["jvp"](f)


@pytest.mark.parametrize("name", ["ptp", "itemset", "newbyteorder"])
def test_methods_that_numpy_2_removed(name: str) -> None:
    assert not hasattr(X, name)

    def f(x: Any) -> Any:
        with pytest.raises(AttributeError, match=f"{name}.*since NumPy 2"):
            getattr(x, name)
        return x

    TRANSFORMS["vmap"](f)
