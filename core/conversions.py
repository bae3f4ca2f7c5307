"""Turning a tracer into a plain Python value: allowed where a value exists and nothing is lost
unawares.

`float(x)`, f-strings and debuggers get the concrete value. But C code also calls `__float__` and
`__array__` where the user did not ask for a number: `a[i] = x` into a plain array, `math.sin(x)`,
`np.float64(x)`. There the derivative would be lost without a word, so the caller's instruction is
looked at and an error raised. None of this is on the hot path.
"""

from __future__ import annotations

import ast
import builtins
import dis
import linecache
import math
import re
import sys
from difflib import get_close_matches
from importlib import import_module
from itertools import islice
from pkgutil import iter_modules
from types import FrameType, ModuleType
from typing import Any, NoReturn

import numpy as np

from .dispatch import FUNCTIONS, UFUNCS, name_of
from .errors import (
    ArrayConversionError,
    ConcretizationError,
    InPlaceWriteError,
    WengertError,
)
from .generators import is_generator
from .refused import CALLABLES
from .source import Source, is_library_frame, user_frame

__all__ = ["is_in_arange", "no_concrete_value", "refuse_array", "refuse_hidden_float"]

_MATH_MODULES = ("math", "cmath", "statistics")
_STORES = ("STORE_SUBSCR", "STORE_SLICE")
_WRITING_METHODS = ("fill", "put", "itemset")


def _running_text(frame: FrameType) -> str:
    """The source text of what the frame's current instruction does; empty where it is not found."""
    code = frame.f_code
    position = next(islice(code.co_positions(), frame.f_lasti // 2, None), None)
    if position is None or None in position:
        return ""
    first, last, start, stop = position
    assert first is not None and last is not None
    lines = [linecache.getline(code.co_filename, n) for n in range(first, last + 1)]
    if not all(lines):
        return ""
    lines[-1] = lines[-1].encode()[:stop].decode()
    lines[0] = lines[0].encode()[start:].decode()
    return "".join(lines).strip()


def _called_object(frame: FrameType) -> tuple[str, Any]:
    """The text and, where it is easily found, the value of what the frame's current instruction
    calls.
    """
    try:
        call = ast.parse(_running_text(frame), mode="eval").body
    except SyntaxError:
        return "", None
    if not isinstance(call, ast.Call):
        return "", None
    return ast.unparse(call.func), _look_up(call.func, frame)


def _look_up(node: ast.expr, frame: FrameType) -> Any:
    if isinstance(node, ast.Name):
        for scope in (frame.f_locals, frame.f_globals, vars(builtins)):
            if node.id in scope:
                return scope[node.id]
    if isinstance(node, ast.Attribute):
        owner = _look_up(node.value, frame)
        if isinstance(owner, ModuleType | np.ndarray) or is_generator(owner):
            return getattr(owner, node.attr, None)
    return None


def _opname(frame: FrameType) -> str:
    return dis.opname[frame.f_code.co_code[frame.f_lasti]]


def _source(frame: FrameType) -> Source | None:
    return None if is_library_frame(frame) else Source(frame.f_code, frame.f_lasti)


def refuse_hidden_float(tracer: Any, frame: FrameType, kind: str) -> None:
    """Raise if the frame's current instruction takes a tracer's number without the user asking for
    it.
    """
    if is_library_frame(frame):
        refuse_scipy(tracer, user_frame(0))
        raise ArrayConversionError(
            f"a library asked for a Python {kind}, so the derivative would be lost.",
            fix="report this: wengert's and NumPy's functions should not need to",
        )
    if _opname(frame) in _STORES:
        refuse_write(frame)
    text, called = _called_object(frame)
    name = text.rpartition(".")[2]
    if called is None and not ("." in text and hasattr(math, name)):
        return
    if called is None or getattr(called, "__module__", None) in _MATH_MODULES:
        numpys = name if hasattr(np, name) else None
        raise ArrayConversionError(
            f"{text}() takes a Python {kind}, so the result would not be traced and its "
            "derivative would be lost.",
            fix=f"use np.{numpys}(...) instead"
            if numpys
            else f"use NumPy's functions instead of {text}",
            source=_source(frame),
        )
    if isinstance(called, type) and issubclass(called, np.generic):
        raise ArrayConversionError(
            f"{text}() makes a plain NumPy scalar, so the derivative would be lost.",
            fix=f"use x.astype({text}); or float(x) if a plain number is what you want",
            source=_source(frame),
        )
    if (
        isinstance(getattr(called, "__self__", None), np.ndarray)
        and called.__name__ in _WRITING_METHODS
    ):
        refuse_write(frame)
    if (getattr(called, "__module__", None) or "").partition(".")[0] == "numpy":
        raise ArrayConversionError(
            f"{text}() asks for plain numbers, so the derivative would be lost.",
            fix=f"use functions that wengert.numpy has, instead of {text}",
            source=_source(frame),
        )


def refuse_write(frame: FrameType) -> NoReturn:
    """Raise the error for writing a tracer into a plain array."""
    source = _source(frame)
    raise InPlaceWriteError(
        "a traced value cannot be written into a plain NumPy array: the array has no place for "
        "its derivative.",
        fix=_how_to_write(_written_array(frame), "" if source is None else source.text),
        source=source,
    )


def _written_array(frame: FrameType) -> str:
    """How the user writes the array that the current instruction writes to: `out` of
    `out[i] = x`.
    """
    text = _running_text(frame)
    if is_in_place_operator(frame):
        text = re.split(r"[-+*/%&|^@<>]+=", text)[0]  # out += x
    elif _opname(frame) not in _STORES:
        text = text.partition("(")[0].rpartition(".")[0]  # out.fill(x)
    return text.partition("[")[0].strip()


def is_in_place_operator(frame: FrameType) -> bool:
    """True while the frame runs `a += x` or the like."""
    return _opname(frame) == "BINARY_OP" and "=" in _running_text(frame)


def _how_to_write(name: str, line: str) -> str:
    if not name.replace(".", "").isidentifier():
        name = "a"
    then = f"    {line}\n" if line else ""
    return (
        "make it an array that accepts traced values, by one line more:\n"
        f"    {name} = wengert.numpy.array({name})\n{then}"
        "or create it with np.zeros(..., like=x) for a traced x, or wengert.numpy.zeros"
    )


def refuse_index(tracer: Any, frame: FrameType) -> NoReturn:
    """Raise the error for indexing a plain array with a traced integer."""
    mask = tracer.dtype.kind == "b"
    raise ArrayConversionError(
        "a plain NumPy array cannot be indexed by a traced value.",
        got=repr(tracer),
        fix="use wengert.numpy.compress(mask, a, axis=0), or np.where"
        if mask
        else "use wengert.numpy.take(a, i, axis=0), which can be traced",
        source=_source(frame),
    )


def refuse_call(text: str, called: Any, tracer: Any, frame: FrameType) -> None:
    """Raise the error for a callable of NumPy of which it is known what to use instead."""
    name = getattr(called if callable(called) else None, "__name__", type(called).__name__)
    if not isinstance(called, np.vectorize) and getattr(np, name, None) is not called:
        return
    if name in CALLABLES:
        # Not a TypeError: np.nditer would hide it behind one of its own.
        raise WengertError(
            f"np.{name} cannot take traced values apart.",
            got=repr(tracer),
            fix=CALLABLES[name],
            source=_source(frame),
        )
    if (called in FUNCTIONS or called in UFUNCS) and not name.startswith("as") and name != "array":
        raise ArrayConversionError(
            f"{text}() turns these arguments into plain arrays before it looks at traced values.",
            got=repr(tracer),
            fix=f"use wengert.numpy.{name}, which takes the same arguments",
            source=_source(frame),
        )


def refuse_scipy(tracer: Any, user: FrameType | None) -> None:
    """Raise if SciPy asks for a plain array or number: only its ufuncs dispatch.

    `user` is the frame that called SciPy.
    """
    called = _scipy_call(user)
    if called is None:
        return
    source = None if user is None else _source(user)
    if _has_rule(called):
        raise ArrayConversionError(
            f"{called} makes plain arrays of its arguments, so what is traced would be lost.",
            got=repr(tracer),
            fix=f"use wengert.{called}, which takes the same arguments",
            source=source,
        )
    package = ".".join(called.split(".")[:2])
    near = get_close_matches(called, [n for n in map(name_of, FUNCTIONS) if package in n], 3, 0.75)
    raise ArrayConversionError(
        f"{called} cannot be traced: it makes plain arrays, or numbers, of what it gets.",
        got=repr(tracer),
        needed=f"a function that wengert.scipy has, such as {', '.join(near)}" if near else None,
        fix="compute it from values that are not traced, outside the transformed function",
        source=source,
    )


def _scipy_call(user: FrameType | None) -> str | None:
    """The function of SciPy that `user` called, as a user writes it; None if it called none.

    SciPy's own frames say so: the outermost one of a public function, or method.
    """
    inside: list[FrameType] = []
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame is not user:
        if frame.f_globals.get("__name__", "").startswith("scipy."):
            inside.append(frame)
        frame = frame.f_back
    if not inside:
        return None
    for f in reversed(inside):
        package = ".".join(f.f_globals["__name__"].split(".")[:2])
        public, name = sys.modules.get(package), f.f_code.co_name
        owner = f.f_locals.get("self")
        if owner is not None:
            held = _name_of_object(public, owner)
            if held is not None:
                hidden = name.startswith("_")
                return f"{package}.{held}" if hidden else f"{package}.{held}.{name}"
        wrapped = [f.f_locals.get(v) for v in f.f_code.co_freevars]  # by a decorator
        for n in (name, *[getattr(w, "__name__", "_") for w in wrapped]):
            if owner is None and not n.startswith("_") and callable(getattr(public, n, None)):
                return f"{package}.{n}"
    return ".".join(inside[-1].f_globals["__name__"].split(".")[:2])


def _name_of_object(module: ModuleType | None, x: Any) -> str | None:
    """The name of a module's object, such as a distribution, of a copy of it, or of its class."""
    if module is None:
        return None
    kind: type[Any] = type(x)
    if getattr(module, kind.__name__, None) is kind:
        return str(kind.__name__)
    alike: list[str] = [name for name, v in vars(module).items() if type(v) is kind]
    return next((name for name in alike if vars(module)[name] is x), next(iter(alike), None))


def _has_rule(name: str) -> bool:
    """Whether `wengert.scipy` has this function, class or method of SciPy."""
    _, package, *path = name.split(".")
    if not path:
        return False
    scipys = getattr(sys.modules.get(f"scipy.{package}"), path[0], None)
    parent = import_module(".scipy", __package__)
    for info in iter_modules(parent.__path__, f"{parent.__name__}."):
        module = import_module(info.name)
        if scipys in FUNCTIONS:
            return True
        ours = getattr(module, path[0], None)
        kind = ours if isinstance(ours, type) else type(ours)
        if kind.__module__.startswith(parent.__name__):
            return len(path) < 2 or hasattr(ours, path[1])
    return False


def refuse_draw(text: str, called: Any, tracer: Any, frame: FrameType) -> None:
    """Raise the error for a method of a random number generator with a traced parameter."""
    if not is_generator(getattr(called, "__self__", None)):
        return
    raise ArrayConversionError(
        f"{text}() takes plain numbers as parameters, so what is traced would be lost.",
        got=repr(tracer),
        fix=f"use wengert.random.{called.__name__}(rng, ...), which takes the same arguments after "
        "a generator\n(samplers that are missing there have no derivatives by their parameters)",
        source=_source(frame),
    )


def is_in_arange() -> bool:
    """True while the user's code calls np.arange."""
    user = user_frame(0)
    return user is not None and _called_object(user)[1] is np.arange


def refuse_array(tracer: Any) -> NoReturn:
    """Raise the error for np.asarray(tracer) and everything in NumPy and C that calls it."""
    user = user_frame(0)
    refuse_scipy(tracer, user)
    if user is not None:
        if _opname(user) in _STORES:
            refuse_write(user)
        if _opname(user) in ("BINARY_SUBSCR", "BINARY_OP") and tracer.dtype.kind in "iub":
            refuse_index(tracer, user)
        text, called = _called_object(user)
        refuse_call(text, called, tracer, user)
        refuse_draw(text, called, tracer, user)
    else:
        text, called = "", None
    owner = getattr(called, "__self__", None)
    if isinstance(owner, np.ndarray) and called.__name__ in _WRITING_METHODS:
        assert user is not None
        refuse_write(user)
    what = f"{text}()" if text else "this call"
    raise ArrayConversionError(
        f"{what} tried to turn a traced value into a plain NumPy array, which would lose what is "
        "traced.",
        got=repr(tracer),
        fix="for a list of traced values use wengert.numpy.array or np.stack, for np.r_ and np.c_ "
        "np.concatenate;\n"
        "to keep a traced value traced, leave np.asarray out, or use wengert.numpy.asarray;\n"
        "code outside NumPy (C extensions) cannot be traced: call it before, or outside, the "
        "transformed function",
        source=None if user is None else _source(user),
    )


def no_concrete_value(tracer: Any, what: str, why: str, remedy: str) -> NoReturn:
    """Raise the error for asking a Python value of a tracer that has none."""
    raise ConcretizationError(
        f"{what} needs one concrete value, but this traced value has none: {why}",
        got=repr(tracer),
        fix=f"{remedy}write the choice with np.where(condition, a, b), or np.minimum, np.maximum, "
        "np.clip;\n"
        "or with wengert.cond, wengert.while_loop, wengert.fori_loop;\n"
        "or compute what decides from values that are not traced",
    )


def check_scalar(tracer: Any, what: str) -> None:
    """Raise NumPy's error for a Python number of an array with more than one element."""
    if tracer.aval.size != 1:
        raise ConcretizationError(
            f"{what} needs an array of one element.",
            got=repr(tracer.aval),
            fix="index it, or reduce it with np.any / np.all / np.sum",
        )
