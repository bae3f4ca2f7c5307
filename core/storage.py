"""Arrays that are written to: a traced array's current value, and the views of it.

A tracer stands for one value and never changes. When the user writes to it (`x[i] = v`, `x *= 2`),
the value moves into a `Storage`, which answers for the tracer from then on: it is the newest trace
of all, so every operation comes to it first, and it hands the operation on with the current value
in the place of the tracer. A write exchanges the value for one with the new elements (the primitive
`setitem`), so all transformations work. Views of the array are found by the links of `views.py` and
become views of the storage.

The memory of a value may be written to, instead of a copy, as long as nothing else can have kept it
(`exclusive`): a loop that fills an array takes linear time.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from .aval import Array, Shape, aval_of
from .errors import InPlaceWriteError
from .primitives.indexing import getitem_p
from .primitives.writing import write_plain
from .rules import linear
from .tracing import RUNNING, WRITTEN, Primitive, Trace, Tracer, newest_trace
from .views import READ_ONLY

__all__ = ["Storage", "View", "current", "peek", "storage_of", "write"]

copy_p: Primitive = linear(
    "copy",
    lambda x, *, order: np.array(x, order=order),
    lambda ct, x, *, order: ct,
    shape=lambda x, *, order: x,
    batch=lambda size, batched, x, *, order: copy_p.bind(x, order=order),
)
"""A copy of the memory, in the order "C", or in that which it has, "K"."""


_NO_PARAMS: Mapping[str, Any] = {}
_MUCH = 8
"""A view of at least one in so many elements is no copy: its array is copied at the next write."""


def write(x: Array, v: Array, arrays: Sequence[Array], index: Any, exclusive: bool) -> Array:
    """`x` with the value `v` at an index; in the memory of `x` if nobody else can see it."""
    trace = newest_trace((x, v, *arrays))
    if trace is not None:
        return trace.write(x, v, arrays, index, exclusive)
    if not exclusive or not x.flags.writeable:
        x = np.array(x)
    write_plain(x, v, arrays, index)
    return x


def current(x: Array) -> Array:
    """The value itself, for a tracer whose value is in a storage: a result that was written to.

    Args:
        x: anything.

    Returns:
        What it stands for now; `x` itself, if it was not written to.

    Example:
        >>> import wengert as wg
        >>> wg.core.current(2.0)
        2.0
    """
    if isinstance(x, Tracer) and x._trace.number == WRITTEN:
        return x._trace.read()  # type: ignore[attr-defined]  # a Storage
    return x


def peek(x: Array) -> Array:
    """`current`, for use that does not keep the memory of the value."""
    if isinstance(x, Tracer) and isinstance(x._trace, Storage):
        return x._trace.get()
    return x


class Storage(Trace):
    """The current value of an array that was written to.

    `version` counts the writes. `exclusive`: the memory of the value is known to nobody else.
    """

    label = "in-place updates"
    handle: ClassVar[type[Any]]
    """The class of tracers that have no value but the storage's; array_tracer.py sets it."""

    def __init__(self, value: Array, exclusive: bool = False) -> None:
        self.number = WRITTEN
        self.function = "an array that was written to"
        self.value = value
        self.exclusive = exclusive
        self.version = 0
        self.strides = strides_of(value)

    def version_now(self) -> int:
        """The number of writes so far."""
        return self.version

    def get(self) -> Array:
        """The value, for use that does not keep its memory."""
        return self.value

    def layout(self) -> Array:
        """An array of arbitrary values that lies in memory as this one does in NumPy, where writes
        do not change that.
        """
        aval = aval_of(self.value)
        return blank(aval.shape, aval.dtype, self.strides)

    def read(self) -> Array:
        """The value, for use that may keep its memory."""
        self.exclusive = False
        return self.value

    def share(self) -> None:
        """Leave the memory to others too: the next write makes a copy."""
        self.exclusive = False

    def restore(self, value: Array) -> None:
        """Go back to a value that it had, for a while; no write counts."""
        self.value = value
        self.exclusive = False

    def assign(self, v: Array, arrays: Sequence[Array], index: Any) -> None:
        """Write `v` at an index."""
        self.value = write(self.value, v, arrays, index, self.exclusive)
        self.exclusive = True
        self.version += 1

    def replace(self, value: Array) -> None:
        """Write all elements."""
        self.value = value
        self.exclusive = False
        self.version += 1

    def process(
        self, primitive: Primitive, args: Sequence[Array], params: Mapping[str, Any]
    ) -> Array:
        if primitive.put_back is not None:
            x = args[0]
            if x._trace.number == WRITTEN and len(args) == 1:
                found: Array = x._trace.view(primitive, params)
                return found
        return _writable(primitive.bind(*[current(a) for a in args], **params))

    def process1(self, primitive: Primitive, x: Array) -> Array:
        value = current(x)
        if primitive.put_back is not None or not isinstance(value, Tracer):
            return self.process(primitive, (x,), _NO_PARAMS)
        return _from_here(value._trace.process1(primitive, value))

    def process2(self, primitive: Primitive, x: Array, y: Array) -> Array:
        a, b = current(x), current(y)
        trace = newest_trace((a, b))
        if trace is None:
            return _writable(primitive.impl(a, b))
        return _from_here(trace.process2(primitive, a, b))

    def view(self, primitive: Primitive, params: Mapping[str, Any]) -> Array:
        """A view of the array; the element itself where nothing is left of the axes."""
        value = primitive.bind(self.get(), **params)
        if not value.shape:
            if isinstance(value, Tracer) and RUNNING.batches:
                # The numbers of a batch are a view, which the next write would change.
                value = copy_p.bind(value, order="K")
            return value
        y: Array = Storage.handle()
        shares = primitive is getitem_p or shares_memory(self.layout(), primitive, params)
        y._trace = View(self, primitive, params, value) if shares else Storage(value)
        return y

    def __repr__(self) -> str:
        return self.label


def _writable(y: Array) -> Array:
    """What is made of an array that accepts traced values does so too: y[mask] += v."""
    if type(y) is not np.ndarray or y.dtype.kind not in "fc" or not y.shape:
        return y
    found = Storage.handle()
    found._trace = Storage(y)
    return found


def _from_here(y: Array) -> Array:
    """A result with the user's line, which other traces look for one call nearer."""
    if hasattr(y, "offset"):
        frame = sys._getframe(3)
        y.code, y.offset = frame.f_code, frame.f_lasti
    return y


class View(Storage):
    """A view of the value of another storage, the base."""

    def __init__(
        self, base: Storage, primitive: Primitive, params: Mapping[str, Any], value: Array
    ) -> None:
        self.number = WRITTEN
        self.function = base.function
        self.value = value
        self.base = base
        self.primitive = primitive
        self.params = params
        self.seen = base.version_now()
        self.is_copy = False

    def version_now(self) -> int:
        """The number of writes to the array that this is a view of."""
        return self.base.version_now()

    def get(self) -> Array:
        if self.seen != self.version_now():
            base = self.base.get()
            value = self.primitive.bind(base, **self.params)
            if _is_lent(value, base):
                return value
            self.value = value
            self.seen = self.version_now()
            self.is_copy = False
        return self.value

    def layout(self) -> Array:
        found: Array = self.primitive.impl(self.base.layout(), **self.params)
        return found

    def restore(self, value: Array) -> None:
        super().restore(value)
        self.seen = self.version_now()
        self.is_copy = True

    def read(self) -> Array:
        value = self.get()
        if value is not self.value or not self.is_copy:
            if _MUCH * value.size >= self.base.get().size:
                self.base.share()  # to copy the whole at the next write costs less than this
                return value
            # A copy, so that the memory of the base stays its own and can be written to in place.
            found: Array = copy_p.bind(value, order="K")
            if value is not self.value or _is_lent(found, value):
                return found
            self.value = value = found
            self.is_copy = True
        return value

    def share(self) -> None:
        self.base.share()

    def assign(self, v: Array, arrays: Sequence[Array], index: Any) -> None:
        self.replace(write(self.get(), v, arrays, index, False))

    def replace(self, value: Array) -> None:
        base = self.base
        if self.primitive is getitem_p:
            base.assign(value, (), self.params["index"])
        else:
            assert self.primitive.put_back is not None
            base.replace(self.primitive.put_back(base.get(), value, **self.params))
        self.value = value
        self.seen = self.version_now()
        self.is_copy = True


def _is_lent(y: Array, x: Array) -> bool:
    """True if what is made of `x` belongs to a trace that ends before that of `x` does: that of the
    body of a loop, or of a branch, which gets all operations on what it closes over.
    """
    return isinstance(y, Tracer) and isinstance(x, Tracer) and y._trace is not x._trace


def strides_of(x: Array) -> tuple[int, ...] | None:
    """The strides of an array, or of the memory behind a tracer; None where there is none yet."""
    if isinstance(x, Tracer):
        return x.strides_of_value()
    return x.strides if type(x) is np.ndarray else None


def blank(shape: Shape, dtype: np.dtype[Any], strides: tuple[int, ...] | None) -> Array:
    """An array of arbitrary values, laid out with these strides; in C order without any."""
    if strides is None:
        return np.empty(shape, dtype)
    spans = [(d - 1) * s for d, s in zip(shape, strides, strict=True) if d]
    before = -sum([v for v in spans if v < 0])
    after = sum([v for v in spans if v > 0])
    memory = np.empty(before + after + dtype.itemsize, np.uint8)
    return np.ndarray(shape, dtype, memory, before, strides)


def layout(x: Array) -> Array:
    """An array that lies in memory as the value of `x` does in NumPy."""
    if x._trace.number == WRITTEN:
        found: Array = x._trace.layout()
        return found
    strides = strides_of(x)
    base = getattr(x, "_base", None)
    if strides is None and type(base) is tuple:
        of, primitive, params = base
        seen: Array = primitive.impl(layout(of), **params)
        return seen
    aval = aval_of(x)
    return blank(aval.shape, aval.dtype, strides)


def shares_memory(x: Array, primitive: Primitive, params: Mapping[str, Any]) -> bool:
    """False where NumPy has to copy, as reshape does for some layouts."""
    return np.may_share_memory(x, primitive.impl(x, **params))


def storage_of(x: Array) -> Storage:
    """The storage of a tracer; its value moves there if it has none yet, with its views."""
    trace = x._trace
    if isinstance(trace, Storage):
        return trace
    base = getattr(x, "_base", None)
    if base is READ_ONLY:
        raise InPlaceWriteError(
            "this array is a read-only view in NumPy, so it cannot be written to.",
            got=repr(x),
            fix="make a copy first: x = x.copy()",
        )
    storage = Storage(twin(x))
    if base is not None:
        of, primitive, params = base
        if primitive is getitem_p or shares_memory(layout(of), primitive, params):
            whole = storage_of(of)
            if isinstance(x._trace, Storage):  # as one of the views of the whole
                return x._trace
            storage = View(whole, primitive, params, storage.value)
    x.move(storage)
    for reference in getattr(x, "_views", ()):
        y = reference()
        if y is not None and y._base is not READ_ONLY:
            storage_of(y)
    return storage


def twin(x: Array) -> Array:
    """Another tracer of the same value; writing to one of them does not change the other."""
    if x._trace.number == WRITTEN:
        y: Array = Storage.handle()
        y._trace = Storage(x._trace.read())
        return y
    y = object.__new__(type(x))
    for kind in type(x).__mro__:
        for name in getattr(kind, "__slots__", ()):
            if name not in ("__weakref__", "_base", "_views"):
                slot = vars(kind)[name]
                try:
                    slot.__set__(y, slot.__get__(x))
                except AttributeError:  # not every class fills the slots that it inherits
                    continue
    return y
