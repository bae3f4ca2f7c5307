"""Staged evaluation: `staged : (a -> b) -> (a -> b)`, the same function, evaluated by a program.

The function is traced once for each signature: the structure, shapes and dtypes of its arguments,
and the values of static ones. The program is improved and emitted as Python source, which runs from
then on. On traced arguments the whole is one operation, whose derivatives and batches are programs
that are kept with it (`staging/calls.py`).

Read next: `staging/signature.py`, `staging/cache.py`, `staging/layouts.py`, `staging/captured.py`,
`staging/programs.py`.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Hashable, Sequence
from functools import update_wrapper
from typing import Any, overload

from ..core.errors import DtypeError, UnsupportedError
from ..core.ir import Program
from ..core.source import boundary, describe_function, hide_library_frames
from ..core.tracing import RUNNING, Tracer
from .linear import LinearTracer
from .program import ProgramTrace, trace_closed
from .staging.cache import Cache, CacheInfo, Entry, RetraceWarning
from .staging.calls import staged_p
from .staging.captured import watch_captured
from .staging.layouts import MISS
from .staging.programs import StagedProgram
from .staging.signature import Given, StaticArguments

__all__ = ["RetraceWarning", "StagedFunction", "staged"]


class _StagedTrace(ProgramTrace):
    """A program that is traced to be evaluated."""

    label = "staged"

    def __init__(self, function: str) -> None:
        super().__init__(function)
        # In the instance, for the class changes while a trace hands its operations over.
        self.context = "a staged function"
        self.remedy = (
            "make the argument that decides static: wg.staged(f, static_argnums=...), or "
            "static_argnames=\n(the function is traced anew for each of its values);\nor "
        )


class StagedFunction:
    """A function that is evaluated by programs, one for each signature: what `staged` returns."""

    def __init__(
        self,
        fun: Callable[..., Any],
        static_argnums: int | Sequence[int],
        static_argnames: str | Sequence[str],
        cache_size: int | None,
    ) -> None:
        name = describe_function(fun)
        self._operation = f"staged {name}"
        self._options = (static_argnums, static_argnames, cache_size)
        self._static = StaticArguments(self._operation, fun, static_argnums, static_argnames)
        self._fun = fun
        self._owner: type | None = None
        self._transformed: dict[Hashable, StagedFunction] = {}
        self._cache = Cache(self._operation, cache_size)
        update_wrapper(self, fun, updated=())
        self.__name__ = getattr(fun, "__name__", name)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        try:
            if RUNNING.traces and _written_down():
                return self._fun(*args, **kwargs)
            for read in self._cache.readers:
                result = read(args, kwargs)
                if result is not MISS:
                    return result
            return self._look_up(args, kwargs)
        except Exception as error:
            error.__traceback__ = hide_library_frames(error.__traceback__)
            raise

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else BoundStaged(self, instance)

    def __set_name__(self, owner: type, name: str) -> None:
        self._owner = owner

    def __repr__(self) -> str:
        return f"<{self._operation}>"

    def __reduce__(self) -> str | tuple[object, ...]:
        # The function of a decorator is found by its name, as any function; another one is made
        # again of what it wraps.
        found: Any = sys.modules.get(getattr(self, "__module__", ""))
        qualified = getattr(self, "__qualname__", "<locals>")
        for part in qualified.split("."):
            found = getattr(found, part, None)
        if found is self:
            return str(qualified)
        return (StagedFunction, (self._fun, *self._options))

    # The cache.

    @boundary
    def _look_up(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The result, where no layout fits: a new signature, traced values, or lists for arrays."""
        given = Given(self._static, self._owner, args, kwargs)
        leaves = given.plain_leaves
        if any([type(x) is LinearTracer for x in leaves]):
            return self._fun(*args, **kwargs)
        entry, hoisted = self._entry(given)
        if not hoisted and given.exact:
            self._cache.add_layout(given, entry)
        if hoisted or any([isinstance(x, Tracer) for x in leaves]):
            return entry.join(staged_p.bind(*hoisted, *leaves, body=entry.body))
        return entry.rebuild(entry.body(*leaves))

    def _entry(self, given: Given, counts: bool = True) -> tuple[Entry, list[Any]]:
        """The program for a signature, with the traced values that the function closes over; such a
        program is of no use to another call.
        """
        entry, reason = self._cache.find(given.signature, counts)
        return self._trace(given, reason) if entry is None else (entry, [])

    def _trace(self, given: Given, reason: str) -> tuple[Entry, list[Any]]:
        fun, inside = self._fun, (given.args, given.kwargs)
        traces: list[_StagedTrace] = []

        def begin(name: str) -> ProgramTrace:
            traces.append(_StagedTrace(name))
            return traces[0]

        def call(*arrays: Any) -> Any:
            args, kwargs = given.rebuilt(arrays, *inside)
            return fun(*args, **kwargs)

        update_wrapper(call, fun, updated=())
        cache = self._cache
        unchanged = cache.watches()
        program, hoisted = trace_closed(
            self._operation, call, *given.avals, begin=begin, refusal=_refuse_draws
        )
        for w in unchanged:
            if w.changed():  # by the function itself, as a count of its runs
                w.renew()
        watch = watch_captured(fun, given.statics(), traces[0])
        program = Program(
            program.inputs,
            program.equations,
            program.outputs,
            program.constants,
            name=program.name,
            in_tree=None if hoisted else given.signature.treedef,
            out_tree=program.out_tree,
        )
        body = StagedProgram(program, () if hoisted else given.names(fun))
        entry = Entry(given.signature, body, program.out_tree, watch)
        cache.count_trace(
            given.signature, reason or ("it closes over a traced value" if hoisted else "")
        )
        if not hoisted:
            cache.keep(entry)
        return entry, hoisted

    def transformed(
        self, key: Hashable, transform: Callable[[Callable[..., Any]], Callable[..., Any]]
    ) -> StagedFunction:
        """A transformation of the function with the same arguments, staged as a whole; the same
        object for the same key, so that its programs are found again.
        """
        found = self._transformed.get(key)
        if found is None:
            made = StagedFunction(transform(self._fun), *self._options)
            found = self._transformed.setdefault(key, made)
        return found

    # What the user asks.

    @boundary
    def source(self, /, *args: Any, **kwargs: Any) -> str:
        """The text of the Python function that is run for these arguments.

        Args:
            args: arguments of the function; or anything with their `shape` and `dtype`.
            kwargs: the same.

        Returns:
            Python source.

        Example:
            >>> import numpy as np, wengert as wg
            >>> f = wg.staged(lambda x: np.sin(x) * 2.0)
            >>> "multiply" in f.source(np.ones(3))
            True
        """
        return self._of(args, kwargs).emitted.source

    @boundary
    def program(self, /, *args: Any, **kwargs: Any) -> Program:
        """The improved program that is evaluated for these arguments.

        Args:
            args: arguments of the function; or anything with their `shape` and `dtype`.
            kwargs: the same; the program takes them by position, after the others, sorted by name.

        Returns:
            A `Program`.

        Example:
            >>> import numpy as np, wengert as wg
            >>> f = wg.staged(lambda x: np.sin(x) / np.exp(x))
            >>> print(f.program(np.ones(3)))
            program (a: f64[3]) -> (f64[3]) {
              b: f64[3] = sin a
              c: f64[3] = exp a
              d: f64[3] = div b c
              return d
            }
        """
        return self._of(args, kwargs).improved

    def _of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> StagedProgram:
        given = Given(self._static, self._owner, args, kwargs, described=True)
        return self._entry(given, counts=False)[0].body

    def cache_info(self) -> CacheInfo:
        """How often a program was found, and what is kept.

        Returns:
            A `CacheInfo`: hits, misses, maxsize, currsize, signatures.

        Example:
            >>> import numpy as np, wengert as wg
            >>> f = wg.staged(np.sin)
            >>> _ = f(np.ones(2)), f(np.ones(2)), f(0.0)
            >>> f.cache_info()[:4]
            (1, 2, 64, 2)
            >>> f.cache_info().signatures
            ('(f64[2])', '(f64*[])')
        """
        return self._cache.info()

    def clear_cache(self) -> None:
        """Forget all programs and counts, so that the next call traces again.

        Example:
            >>> import wengert as wg
            >>> wg.staged(abs).clear_cache()
        """
        self._cache = Cache(self._operation, self._cache.size)
        for f in list(self._transformed.values()):
            f.clear_cache()


class BoundStaged:
    """A staged method of one object."""

    __slots__ = ("__self__", "__wrapped__", "_staged")

    def __init__(self, staged: StagedFunction, instance: Any) -> None:
        self.__self__ = instance
        self.__wrapped__ = staged
        self._staged = staged

    @property
    def __signature__(self) -> inspect.Signature:
        found = inspect.signature(self._staged)
        return found.replace(parameters=list(found.parameters.values())[1:])

    def __reduce__(self) -> tuple[object, ...]:
        return (getattr, (self.__self__, self._staged.__name__))

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self._staged(self.__self__, *args, **kwargs)

    def source(self, /, *args: Any, **kwargs: Any) -> str:
        """As `StagedFunction.source`."""
        return self._staged.source(self.__self__, *args, **kwargs)

    def program(self, /, *args: Any, **kwargs: Any) -> Program:
        """As `StagedFunction.program`."""
        return self._staged.program(self.__self__, *args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._staged, name)

    def __repr__(self) -> str:
        return f"<bound {self._staged._operation} of {self.__self__!r}>"


def _written_down() -> bool:
    """True where operations go into a program, or axes have names: there the function itself runs,
    and is a part of what is being traced.
    """
    return any([t.symbolic or t.__dict__.get("axis") is not None for t in RUNNING.traces])


def _refuse_draws(operation: str, what: str) -> UnsupportedError:
    return UnsupportedError(
        f"{operation}: {what} drew random numbers, which would be the same in every call.",
        fix="draw outside, and pass the numbers as an argument: staged_f(x, "
        "rng.standard_normal(n));\nfor derivatives by the parameters of a distribution, call "
        "wengert.random in a function\naround the staged one",
    )


@overload
def staged(
    fun: Callable[..., Any],
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    cache_size: int | None = 64,
) -> StagedFunction: ...


@overload
def staged(
    fun: None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    cache_size: int | None = 64,
) -> Callable[[Callable[..., Any]], StagedFunction]: ...


@boundary
def staged(
    fun: Callable[..., Any] | None = None,
    *,
    static_argnums: int | Sequence[int] = (),
    static_argnames: str | Sequence[str] = (),
    cache_size: int | None = 64,
) -> StagedFunction | Callable[[Callable[..., Any]], StagedFunction]:
    """Make a function that is traced once for each signature, and evaluated by a program.

    The program is improved and runs as Python source with reused buffers; see docs/staged.md.
    Signatures are the structure, shapes and dtypes of the arguments, and the values of static ones.
    The function must be one of its arguments alone: it runs only when it is traced.

    Args:
        fun: a function of trees of arrays. When left out, a decorator is returned.
        static_argnums: positions of arguments that are passed to `fun` as they are: hashable
            values, for each of which it is traced again. Leaves that are no arrays or numbers
            (text, functions ...) are static in any case.
        static_argnames: names of such arguments.
        cache_size: how many programs are kept at most; None for all.

    Returns:
        A `StagedFunction`, to use in the place of `fun`. It has the methods `source`, `program`,
        `cache_info` and `clear_cache`.

    Raises:
        DtypeError: if `fun` is no function, or an option has the wrong type.
        ShapeError: if a static argument does not exist.
        ConcretizationError: when `fun` is traced and asks for a value, as `if x > 0` does.

    Example:
        >>> import numpy as np, wengert as wg
        >>> @wg.staged
        ... def loss(w, x):
        ...     return np.sum(np.tanh(x @ w) ** 2)
        >>> w, x = np.zeros(3), np.ones((5, 3))
        >>> loss(w, x)
        np.float64(0.0)
        >>> wg.grad(loss)(w, x)
        array([0., 0., 0.])
    """
    if cache_size is not None and (type(cache_size) is not int or cache_size < 1):
        raise DtypeError(
            "staged: cache_size must be a positive int, or None.", got=repr(cache_size)
        )
    if fun is None:
        return lambda f: staged(
            f,
            static_argnums=static_argnums,
            static_argnames=static_argnames,
            cache_size=cache_size,
        )
    if not callable(fun):
        raise DtypeError(
            "staged: the first argument must be a function.",
            got=repr(fun),
            fix="write wg.staged(f)(x), or @wg.staged(static_argnums=...) as a decorator",
        )
    return StagedFunction(fun, static_argnums, static_argnames, cache_size)
