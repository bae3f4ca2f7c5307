"""Staged evaluation: `staged : (a -> b) -> (a -> b)`, the same function, evaluated by a program.

The function is traced once for each signature: the structure, shapes and dtypes of its arguments,
and the values of static ones. The program is improved and emitted as Python source, which runs from
then on. On traced arguments the whole is one operation, whose derivatives and batches are programs
that are kept with it (`staging/calls.py`).

Read next: `staging/signature.py`, `staging/layouts.py`, `staging/captured.py`.
"""

from __future__ import annotations

import inspect
import sys
import warnings
from collections.abc import Callable, Hashable, Sequence
from functools import update_wrapper
from itertools import count
from threading import Lock
from typing import Any, Final, NamedTuple, overload

from ..core import tree
from ..core.errors import DtypeError, RetraceWarning, UnsupportedError
from ..core.ir import Program
from ..core.source import boundary, describe_function, hide_library_frames, user_source
from ..core.tracing import RUNNING, Tracer
from .linear import LinearTracer
from .program import ProgramTrace, trace_closed
from .staging.calls import staged_p
from .staging.captured import Watch, watch_captured
from .staging.layouts import MISS, Layout, fast_key, joiner, rebuilder
from .staging.programs import StagedProgram
from .staging.signature import Given, Signature, StaticArguments, difference

__all__ = ["CacheInfo", "StagedFunction", "staged"]

_MANY: Final = 8
"""After more traces than this, with few calls for each, a function is said to be traced again and
again."""
_READERS: Final = 8
"""How many forms of arguments are tried one by one before the signature is looked up."""


class CacheInfo(NamedTuple):
    """What the cache of a staged function holds.

    `hits` counts calls that found a program, `misses` those that traced one. `signatures` are those
    of the programs that are kept.
    """

    hits: int
    misses: int
    maxsize: int | None
    currsize: int
    signatures: tuple[str, ...]


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


class _Entry:
    """One program in the cache. `run` and `rebuild` evaluate it."""

    __slots__ = ("at", "body", "join", "rebuild", "run", "signature", "used", "watch")

    def __init__(
        self, signature: Signature, body: StagedProgram, out_tree: tree.TreeDef, watch: Watch | None
    ) -> None:
        self.signature = signature
        self.body = body
        self.watch = watch
        self.run: Callable[..., tuple[Any, ...]] = body
        self.rebuild = rebuilder(out_tree, body.program.out_avals)
        self.join = joiner(out_tree, len(body.program.outputs))
        self.used = 0
        self.at: list[tuple[Layout, Hashable]] = []


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
        self._cache_size = cache_size
        self._fun = fun
        self._owner: type | None = None
        self._lock = Lock()
        self._transformed: dict[Hashable, StagedFunction] = {}
        self._start()
        update_wrapper(self, fun, updated=())
        self.__name__ = getattr(fun, "__name__", name)

    def _start(self) -> None:
        self._entries: dict[Signature, _Entry] = {}
        self._layouts: dict[Hashable, Layout] = {}
        self._readers: tuple[Callable[..., Any], ...] = ()
        self._clock = count(1)  # counted by C code, which no other thread interrupts
        self._looks = 0
        self._traces = 0
        self._last: Signature | None = None
        self._warned = False

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        try:
            if RUNNING.traces and _written_down():
                return self._fun(*args, **kwargs)
            for read in self._readers:
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
            self._add_layout(given, entry)
        if hoisted or any([isinstance(x, Tracer) for x in leaves]):
            return entry.join(staged_p.bind(*hoisted, *leaves, body=entry.body))
        return entry.rebuild(entry.body(*leaves))

    def _entry(self, given: Given, counts: bool = True) -> tuple[_Entry, list[Any]]:
        """The program for a signature, with the traced values that the function closes over; such a
        program is of no use to another call.
        """
        entry = self._entries.get(given.signature)
        reason = ""
        if entry is not None:
            if entry.watch is None or not entry.watch.changed():
                if counts:
                    entry.used = next(self._clock)
                return entry, []
            reason = entry.watch.reason
        return self._trace(given, reason)

    def _trace(self, given: Given, reason: str) -> tuple[_Entry, list[Any]]:
        fun, inside = self._fun, (given.args, given.kwargs)
        traces: list[_StagedTrace] = []

        def begin(name: str) -> ProgramTrace:
            traces.append(_StagedTrace(name))
            return traces[0]

        def call(*arrays: Any) -> Any:
            args, kwargs = given.rebuilt(arrays, *inside)
            return fun(*args, **kwargs)

        update_wrapper(call, fun, updated=())
        program, hoisted = trace_closed(
            self._operation, call, *given.avals, begin=begin, refusal=_refuse_draws
        )
        watch = watch_captured(fun, given.statics(), traces[0])
        in_tree = given.signature.treedef
        program = Program(
            program.inputs,
            program.equations,
            program.outputs,
            program.constants,
            name=program.name,
            in_tree=None if hoisted else in_tree,
            out_tree=program.out_tree,
        )
        body = StagedProgram(program, () if hoisted else given.names(fun))
        entry = _Entry(given.signature, body, program.out_tree, watch)
        self._note(entry, reason or ("it closes over a traced value" if hoisted else ""))
        if not hoisted:
            self._keep(entry)
        return entry, hoisted

    def _keep(self, entry: _Entry) -> None:
        """Put a program into the cache, and let the one go that was used longest ago."""
        entry.used = next(self._clock)
        with self._lock:
            self._looks += 1
            self._forget(self._entries.get(entry.signature))
            self._entries[entry.signature] = entry
            if self._cache_size is not None and len(self._entries) > self._cache_size:
                self._forget(min(self._entries.values(), key=lambda e: e.used))

    def _forget(self, entry: _Entry | None) -> None:
        if entry is None:
            return
        self._entries.pop(entry.signature, None)
        for layout, key in entry.at:
            layout.table.pop(key, None)
            if not layout.table and self._layouts.pop(layout.form, None) is not None:
                self._readers = tuple([r for r in self._readers if r is not layout.read])

    def _add_layout(self, given: Given, entry: _Entry) -> None:
        """Let calls like this one be recognised quickly from now on."""
        form = Layout.form_of(given)
        if not any([isinstance(x, Tracer) for x in given.plain_leaves]):
            entry.run = entry.body.emitted
        with self._lock:
            if self._entries.get(entry.signature) is not entry:
                return
            layout = self._layouts.get(form)
            if layout is None:
                layout = self._layouts[form] = Layout(form, given, self._clock)
            key = fast_key(given)
            if key not in layout.table:
                entry.at.append((layout, key))
            layout.table[key] = entry
            others = [r for r in self._readers if r is not layout.read]
            self._readers = (layout.read, *others[: _READERS - 1])

    def _note(self, entry: _Entry, reason: str) -> None:
        """Count a trace, and warn where there are too many."""
        signature = entry.signature
        with self._lock:
            last, self._last = self._last, signature
            self._traces += 1
            traces, hits = self._traces, self._hits()
            if traces <= _MANY or hits >= 2 * traces or self._warned:
                return
            self._warned = True
        if not reason:
            known = [e.signature for e in reversed(list(self._entries.values()))]
            closest = next((s for s in known if s.form == signature.form), last)
            reason = "its program was no longer kept (cache_size)"
            if signature not in known and closest is not None:
                reason = difference(closest, signature)
        source = user_source()
        code = None if source is None else source.code
        warnings.warn_explicit(
            f"{self._operation} was traced {traces} times in {traces + hits} calls, which costs "
            f"more than staging saves. The last reason: {reason}. {_advice(reason)}",
            RetraceWarning,
            "wengert" if code is None else code.co_filename,
            1 if source is None else source.line,
        )

    def _hits(self) -> int:
        """Calls that found a program: each of them took a number, as each look at the clock did."""
        self._looks += 1
        return max(0, next(self._clock) - self._looks)

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
            >>> print(wg.staged(lambda x: np.sin(x) * 2.0).source(np.ones(3)).splitlines()[0])
            def run(b0, x0):
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
            >>> print(wg.staged(lambda x: np.sin(x) + 0.0 * np.cos(0.0)).program(np.ones(3)))
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
            >>> _ = f(np.ones(2)), f(np.ones(2)), f(np.ones(3)), f(0.0)
            >>> f.cache_info()
            CacheInfo(hits=1, misses=3, maxsize=64, currsize=3, signatures=('(f64[2])', '(f64[3])', '(f64*[])'))
        """
        with self._lock:
            kept = tuple([repr(s) for s in self._entries])
            return CacheInfo(self._hits(), self._traces, self._cache_size, len(kept), kept)

    def clear_cache(self) -> None:
        """Forget all programs and counts, so that the next call traces again.

        Example:
            >>> import wengert as wg
            >>> wg.staged(abs).clear_cache()
        """
        with self._lock:
            self._start()


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
    for t in RUNNING.traces:
        if t.symbolic or t.__dict__.get("axis") is not None:
            return True
    return False


def _refuse_draws(operation: str, what: str) -> UnsupportedError:
    return UnsupportedError(
        f"{operation}: {what} drew random numbers, which would be the same in every call.",
        fix="draw outside, and pass the numbers as an argument: staged_f(x, "
        "rng.standard_normal(n));\nfor derivatives by the parameters of a distribution, call "
        "wengert.random in a function\naround the staged one",
    )


def _advice(reason: str) -> str:
    if reason.startswith("static"):
        return "Pass what takes many values as an ordinary argument."
    if "captured" in reason or "closes over" in reason:
        return "Pass what changes as an argument."
    if "cache_size" in reason:
        return "Give staged a larger cache_size."
    if reason.startswith("the shape"):
        return "Pad the arrays to a few sizes."
    if reason.startswith("the structure"):
        return "Functions that are arguments should be made once, outside of the loop."
    return "Pass arguments of the same types."


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
