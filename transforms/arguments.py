"""Choosing arguments by position or name: `argnums` and `argnames`.

`Choice.select : args, kwargs -> (function of the chosen arguments alone, those arguments)`. The
signature of the user's function is looked at only where an argument is named, or passed by name.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..core.errors import DtypeError, ShapeError

__all__ = ["Choice", "parameters_of", "positional_parameters"]


class Choice:
    """Which arguments `argnums` and `argnames` choose: the first, if neither is given.

    What is found for the chosen arguments is handed out in the form that was asked for: bare for
    one int or one name, as a tuple for several.
    """

    __slots__ = ("fun", "names", "numbers", "one_name", "one_number", "operation", "parameters")

    def __init__(
        self,
        operation: str,
        fun: Callable[..., Any],
        argnums: int | Sequence[int] | None,
        argnames: str | Sequence[str] | None,
    ) -> None:
        self.operation = operation
        self.fun = fun
        self.parameters: list[inspect.Parameter] | None = None
        self.numbers: tuple[int, ...] | None
        self.names: tuple[str, ...] | None
        if argnums is None and argnames is None:
            self.numbers, self.names = (0,), None
            self.one_number, self.one_name = True, False
            return
        self.one_number = isinstance(argnums, int | np.integer)
        self.one_name = isinstance(argnames, str)
        numbers: Any = (argnums,) if self.one_number else argnums
        names: Any = (argnames,) if self.one_name else argnames
        if numbers is not None and not _consists_of(int | np.integer, numbers):
            raise DtypeError(
                f"{operation}: argnums must be an int or a tuple of ints.",
                got=repr(argnums),
                fix="argnames= takes names of arguments",
            )
        if names is not None and not _consists_of(str, names):
            raise DtypeError(
                f"{operation}: argnames must be a name or a tuple of names.",
                got=repr(argnames),
                fix="argnums= takes positions of arguments",
            )
        self.numbers = None if numbers is None else tuple([int(i) for i in numbers])
        self.names = None if names is None else tuple(names)

    def pack(self, found: Sequence[Any]) -> Any:
        """What was found for the chosen arguments, in the form that was asked for."""
        if self.names is None:
            return found[0] if self.one_number else tuple(found)
        if self.numbers is None:
            return found[0] if self.one_name else tuple(found)
        n = len(self.numbers)
        by_number, by_name = tuple(found[:n]), tuple(found[n:])
        return (
            by_number[0] if self.one_number else by_number,
            by_name[0] if self.one_name else by_name,
        )

    def select(
        self, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> tuple[Callable[..., Any], tuple[Any, ...], list[int | str]]:
        """A function of the chosen arguments alone; those arguments; and where they stand: at a
        position, or under a name.
        """
        fun, n = self.fun, len(args)
        places: list[int | str] = []
        for i in self.numbers or ():
            place = i + n if i < 0 else i
            places.append(place if 0 <= place < n else self.beyond(i, args, kwargs))
        for name in self.names or ():
            places.append(self.named(name, args, kwargs))
        if len(places) > 1 and len(set(places)) != len(places):
            raise ShapeError(f"{self.operation}: {self} names an argument twice.")
        chosen: tuple[Any, ...]
        selected: Any
        if places == [0]:
            chosen, others = (args[0],), args[1:]
            selected = lambda x: fun(x, *others, **kwargs)
        else:
            chosen = tuple([self.value_at(p, args, kwargs) for p in places])

            def with_chosen(*chosen: Any) -> Any:
                full, by_name = list(args), kwargs
                for place, x in zip(places, chosen, strict=True):
                    if isinstance(place, str):
                        by_name = {**by_name, place: x}
                    else:
                        full[place] = x
                return fun(*full, **by_name)

            selected = with_chosen
        selected.__name__ = getattr(fun, "__name__", type(fun).__name__)
        selected.__wrapped__ = fun  # so that messages name the user's function
        return selected, chosen, places

    def value_at(self, place: int | str, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """The argument that was passed at a position or by name, or the default for it."""
        if not isinstance(place, str):
            return args[place]
        if place in kwargs:
            return kwargs[place]
        return next(p.default for p in self.known_parameters() if p.name == place)

    def beyond(self, i: int, args: Sequence[Any], kwargs: dict[str, Any]) -> str:
        """The name of the argument at position i, which was not passed by position."""
        positional = positional_parameters(self.known_parameters())
        if 0 <= i < len(positional):
            p = positional[i]
            if p.kind is p.POSITIONAL_OR_KEYWORD and (p.name in kwargs or p.default is not p.empty):
                return p.name
        n = len(args)
        also = f" and the keyword arguments {sorted(kwargs)}" if kwargs else ""
        raise ShapeError(
            f"{self.operation}: {self} is out of range.",
            got=f"{n} positional argument{'s' * (n != 1)}{also}",
            needed="the position of an argument",
            fix="pass what is differentiated by position, or name it with argnames=",
        )

    def named(self, name: str, args: Sequence[Any], kwargs: dict[str, Any]) -> int | str:
        """Where the argument of this name stands."""
        if name in kwargs:
            return name
        parameters = self.known_parameters()
        passed = [p.name for p in positional_parameters(parameters)][: len(args)]
        if name in passed:
            return passed.index(name)
        default = [
            p.name
            for p in parameters
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.default is not p.empty
        ]
        if name in default:
            return name
        known = list(dict.fromkeys([*passed, *kwargs, *default]))
        raise ShapeError(
            f"{self.operation}: {self} names no argument: there is none called {name!r}.",
            got=f"the arguments {known}" if known else f"{len(args)} arguments without a name",
            needed="the name of an argument",
            fix="see the signature of the function; positions are given with argnums=",
        )

    def known_parameters(self) -> list[inspect.Parameter]:
        """The parameters of the function, looked up when they are first needed."""
        if self.parameters is None:
            self.parameters = parameters_of(self.fun)
        return self.parameters

    def __str__(self) -> str:
        given: list[str] = []
        if self.numbers is not None:
            given.append(f"argnums={self.numbers[0] if self.one_number else self.numbers}")
        if self.names is not None:
            given.append(f"argnames={self.names[0] if self.one_name else self.names!r}")
        return ", ".join(given)


def _consists_of(kind: Any, items: Any) -> bool:
    return (
        isinstance(items, Sequence)
        and not isinstance(items, str)
        and all([isinstance(i, kind) for i in items])
    )


def parameters_of(fun: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters of a function; none where Python does not know them."""
    try:
        return list(inspect.signature(fun).parameters.values())
    except (TypeError, ValueError):  # some functions in C
        return []


def positional_parameters(parameters: Sequence[inspect.Parameter]) -> list[inspect.Parameter]:
    """Those of the parameters that have a position."""
    return [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
