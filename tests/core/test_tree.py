"""Pytrees: flattening and its inverse, registration, structures, messages and prefixes."""

from __future__ import annotations

import dataclasses
import functools
import pickle
from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Iterator
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
import pytest

import wengert as wg
from wengert.core import tree
from wengert.core.errors import TreeError

T = TypeVar("T")
Point = namedtuple("Point", ["x", "y"])


class Pair:
    """A class to register."""

    def __init__(self, left: Any, right: Any, label: str = "pair") -> None:
        self.left, self.right, self.label = left, right, label


tree.register(Pair, lambda p: ((p.left, p.right), p.label), lambda label, c: Pair(*c, label))


@dataclasses.dataclass
class Layer:
    """A dataclass with a static field."""

    weight: Any
    bias: Any
    activation: str = "tanh"


tree.register_dataclass(Layer, static=("activation",))


@tree.register_dataclass
@dataclasses.dataclass(frozen=True)
class Frozen:
    """A dataclass with a validation, and a field that __init__ does not take."""

    value: Any
    cache: Any = dataclasses.field(default=0.0, init=False)

    def __post_init__(self) -> None:
        if not isinstance(self.value, float):
            raise TypeError("value must be a float")


TREES = [
    1.0,
    None,
    (),
    [],
    {},
    (1.0,),
    [1.0, (2.0, None), []],
    {"b": 1.0, "a": [2.0, {"z": 3.0}]},
    {2: 1.0, 1: 2.0},
    {"a": 1.0, 1: 2.0, (0, 1): 3.0},
    Point(1.0, [2.0]),
    OrderedDict([("b", 1.0), ("a", 2.0)]),
    defaultdict(list, {"b": 1.0, "a": 2.0}),
]


@pytest.mark.parametrize("value", TREES, ids=repr)
def test_flatten_and_unflatten_are_inverse(value: Any) -> None:
    leaves, treedef = tree.flatten(value)
    back = tree.unflatten(treedef, leaves)
    assert back == value
    assert type(back) is type(value)
    assert treedef.size == len(leaves) == len(tree.leaves(value))
    assert tree.structure(value) == treedef


def test_dict_leaves_come_by_sorted_key_and_the_order_is_kept() -> None:
    d = {"b": 1.0, "a": 2.0, "c": 3.0}
    assert tree.leaves(d) == [2.0, 1.0, 3.0]
    doubled = tree.map(lambda v: 2 * v, d)
    assert list(doubled.items()) == [("b", 2.0), ("a", 4.0), ("c", 6.0)]


def test_dicts_of_another_order_have_the_same_structure() -> None:
    first, second = {"a": 1.0, "b": 2.0}, {"b": 20.0, "a": 10.0}
    assert tree.structure(first) == tree.structure(second)
    assert hash(tree.structure(first)) == hash(tree.structure(second))
    assert tree.map(lambda p, q: p + q, first, second) == {"a": 11.0, "b": 22.0}


def test_keys_of_several_types_are_sorted_the_same_way_whatever_the_order() -> None:
    first = {"a": 1.0, 1: 2.0, (0,): 3.0}
    second = {(0,): 3.0, 1: 2.0, "a": 1.0}
    assert tree.leaves(first) == tree.leaves(second)
    assert tree.structure(first) == tree.structure(second)


def test_ordered_dict_keeps_its_own_order() -> None:
    first = OrderedDict([("b", 1.0), ("a", 2.0)])
    second = OrderedDict([("a", 2.0), ("b", 1.0)])
    assert tree.leaves(first) == [1.0, 2.0]
    assert tree.structure(first) != tree.structure(second)


def test_defaultdict_keeps_its_factory() -> None:
    d = defaultdict(list, {"b": 1.0, "a": 2.0})
    back = tree.map(lambda v: v + 1, d)
    assert back.default_factory is list
    assert back["new"] == []
    assert tree.leaves(d) == [2.0, 1.0]
    assert tree.structure(d) != tree.structure(dict(d))


def test_none_is_a_node_without_leaves() -> None:
    assert tree.leaves([None, 1.0, (None,)]) == [1.0]
    assert tree.map(lambda v: -v, {"a": None, "b": 1.0}) == {"a": None, "b": -1.0}


def test_namedtuple_keeps_its_type_and_field_names() -> None:
    p = tree.map(lambda v: v + 1, Point(1.0, 2.0))
    assert p == Point(2.0, 3.0)
    assert type(p) is Point
    other = namedtuple("Point", ["x", "y"])
    assert tree.structure(Point(1, 2)) != tree.structure(other(1, 2))
    assert tree.structure(Point(1, 2)) != tree.structure((1, 2))


def test_registered_class() -> None:
    p = tree.map(lambda v: 2 * v, Pair(1.0, [2.0], "mine"))
    assert (p.left, p.right, p.label) == (2.0, [4.0], "mine")
    assert tree.structure(Pair(1, 2, "a")) != tree.structure(Pair(1, 2, "b"))


def test_a_subclass_is_not_registered_with_its_base() -> None:
    class Sub(Pair):
        pass

    s = Sub(1.0, 2.0)
    assert tree.leaves(s) == [s]


def test_dataclass_with_static_field() -> None:
    layer = Layer(np.ones(2), 0.5, "relu")
    gradient = wg.grad(lambda p: np.sum(p.weight) * p.bias)(layer)
    assert isinstance(gradient, Layer)
    np.testing.assert_array_equal(gradient.weight, [0.5, 0.5])
    assert gradient.bias == 2.0
    assert gradient.activation == "relu"
    assert tree.structure(Layer(1.0, 2.0, "a")) != tree.structure(Layer(1.0, 2.0, "b"))


def test_frozen_dataclass_is_rebuilt_without_its_init() -> None:
    obj = Frozen(2.0)
    value, gradient = wg.value_and_grad(lambda o: o.value**2 + 3.0 * o.cache)(obj)
    assert value == 4.0
    assert (gradient.value, gradient.cache) == (4.0, 3.0)


def test_the_static_part_of_a_dataclass_is_seen_inside_the_transformed_function() -> None:
    def f(layer: Layer) -> Any:
        assert layer.activation == "exp"
        return np.exp(layer.weight)

    assert wg.grad(f)(Layer(0.0, 1.0, "exp")).weight == 1.0


# Dataclasses that nobody registered.


@dataclasses.dataclass
class Plain:
    """A dataclass with a field that __init__ does not take, and one that may be left unset."""

    b: Any
    a: Any
    total: Any = dataclasses.field(init=False, default=None)
    unset: Any = dataclasses.field(init=False)
    constant: ClassVar[int] = 7
    start: dataclasses.InitVar[float] = 0.0

    def __post_init__(self, start: float) -> None:
        if not isinstance(self.b, float):
            raise TypeError("b must be a float")
        self.total = start


@dataclasses.dataclass(frozen=True, slots=True)
class Slots(Generic[T]):
    """A frozen dataclass with slots."""

    value: T
    scale: float = 2.0


@dataclasses.dataclass
class Child(Plain):
    """A dataclass of a dataclass."""

    more: Any = 1.0


class Undecorated(Plain):
    """A subclass with a method, and no decorator."""

    def double(self) -> Any:
        """Twice the first field."""
        return 2 * self.b


def test_plain_dataclasses_are_nodes_with_their_fields_in_order() -> None:
    p = Plain(1.0, [2.0], 3.0)
    assert tree.leaves_with_path(p) == [(".b", 1.0), (".a[0]", 2.0), (".total", 3.0)]
    back = tree.map(str, p)
    assert type(back) is Plain
    assert (back.b, back.a, back.total, back.constant) == ("1.0", ["2.0"], "3.0", 7)
    assert not hasattr(back, "unset")
    p.unset = 4.0
    assert tree.leaves(p) == [1.0, [2.0][0], 3.0, 4.0]
    assert tree.map(lambda v: -v, p).unset == -4.0
    assert tree.structure(Plain(1.0, 2.0)) == tree.structure(Plain(3.0, 4.0))
    assert repr(tree.structure(Slots((1.0, 2.0)))) == "Slots(value=(*, *), scale=*)"


def test_plain_dataclasses_of_all_sorts() -> None:
    assert tree.map(lambda v: v + 1, Slots(1.0)) == Slots(2.0, 3.0)
    assert wg.grad(lambda s: s.value * s.scale)(Slots(3.0)) == Slots(2.0, 3.0)
    assert tree.leaves(Child(1.0, 2.0, more=3.0)) == [1.0, 2.0, 0.0, 3.0]
    assert type(tree.map(abs, Child(1.0, 2.0))) is Child
    assert wg.grad(lambda u: u.double())(Undecorated(1.0, 2.0)).b == 2.0
    assert tree.structure(Child(1.0, 2.0)) != tree.structure(Plain(1.0, 2.0))
    for value in (Slots(1.0), Child(1.0, 2.0)):
        treedef = tree.structure(value)
        assert pickle.loads(pickle.dumps(treedef)) == treedef


def test_a_registration_wins_over_the_fields() -> None:
    @dataclasses.dataclass
    class Late:
        a: float
        b: str

    late = Late(1.0, "text")
    assert tree.leaves(late) == [1.0, "text"]
    tree.register_dataclass(Late, static=("b",))
    assert tree.leaves(late) == [1.0]
    assert wg.grad(lambda v: 3.0 * v.a)(late) == Late(3.0, "text")
    with pytest.raises(TreeError, match="Late is a tree node already"):
        tree.register_dataclass(Late)

    @dataclasses.dataclass
    class Own:
        a: float
        b: float

    tree.register(Own, lambda v: ((v.a,), v.b), lambda b, c: Own(*c, b))
    assert tree.leaves(Own(1.0, 2.0)) == [1.0]


def test_a_field_may_say_that_it_is_static() -> None:
    @tree.register_dataclass
    @dataclasses.dataclass
    class Marked:
        a: float
        n: int = dataclasses.field(default=3, metadata={"static": True})

    assert tree.leaves(Marked(1.0)) == [1.0]
    assert wg.grad(lambda m: m.a**m.n)(Marked(2.0)) == Marked(12.0, 3)


def test_attributes_that_are_no_fields_are_not_lost_silently() -> None:
    @dataclasses.dataclass
    class Derived:
        a: float

        def __post_init__(self) -> None:
            self.inverse = 1 / self.a

    with pytest.raises(TreeError, match="no field, and would be lost: 'inverse'") as info:
        wg.grad(lambda d: d.inverse)(Derived(2.0))
    assert "inverse: Any = dataclasses.field(init=False)" in str(info.value)
    assert "wg.tree.register(Derived, ...)" in str(info.value)

    @dataclasses.dataclass
    class Cached:
        a: float

        @functools.cached_property
        def square(self) -> Any:
            return self.a**2

    cached = Cached(3.0)
    assert cached.square == 9.0
    assert wg.grad(lambda c: c.square)(cached) == Cached(6.0)


def test_dataclasses_that_are_something_else_are_leaves() -> None:
    @dataclasses.dataclass
    class Described:
        shape: tuple[int, ...]
        dtype: Any

    @dataclasses.dataclass
    class ArrayLike:
        data: Any

        def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
            return np.asarray(self.data, dtype)

    @dataclasses.dataclass
    class OddError(Exception):
        code: int

    for value in (Described((3,), float), ArrayLike([1.0, 2.0]), OddError(3)):
        assert tree.leaves(value) == [value]
    assert tree.leaves(Plain) == [Plain]
    np.testing.assert_array_equal(wg.grad(lambda x: np.sum(x**2))(ArrayLike([1.0, 2.0])), [2, 4])


# None in the place of a leaf.


def test_later_trees_may_have_none_instead_of_a_leaf() -> None:
    first, second = {"a": 1.0, "b": [2.0, "x"]}, {"a": None, "b": [3.0, None]}
    assert tree.map(lambda p, q: (p, q), first, second) == {
        "a": (1.0, None),
        "b": [(2.0, 3.0), ("x", None)],
    }
    assert tree.map(lambda p, q, r: (q, r), [1.0], [None], [2.0]) == [(None, 2.0)]
    with pytest.raises(TreeError, match="differ at the top"):
        tree.map(lambda p, q: p, first, None)
    with pytest.raises(TreeError, match=r"differ at \['a'\]"):
        tree.map(lambda p, q: p, second, first)
    kept = tree.map(lambda q, p: q, second, first, is_leaf=lambda v: v is None)
    assert kept == second


def test_registering_twice_is_refused() -> None:
    with pytest.raises(TreeError, match="Pair is a tree node already"):
        tree.register(Pair, lambda p: ((), None), lambda _, c: None)
    with pytest.raises(TreeError, match="dict is a tree node already"):
        tree.register(dict, lambda p: ((), None), lambda _, c: None)
    with pytest.raises(TreeError, match="Point is a tree node already"):
        tree.register(Point, lambda p: ((), None), lambda _, c: None)


def test_register_dataclass_checks_its_arguments() -> None:
    class Plain:
        pass

    with pytest.raises(TreeError, match="Plain is not a dataclass"):
        tree.register_dataclass(Plain)

    @dataclasses.dataclass
    class Small:
        a: float

    with pytest.raises(TreeError, match=r"Small has no field 'b'") as info:
        tree.register_dataclass(Small, static=("b",))
    assert "names among ('a',)" in str(info.value)
    assert tree.leaves([Small(1.0)]) == [1.0]  # a refused class is still a node


def test_is_leaf_keeps_nodes_whole() -> None:
    value = {"a": (1.0, 2.0), "b": [3.0]}
    assert tree.leaves(value, is_leaf=lambda v: isinstance(v, tuple)) == [(1.0, 2.0), 3.0]
    assert tree.map(len, value, is_leaf=lambda v: isinstance(v, tuple | list)) == {"a": 2, "b": 1}
    assert repr(tree.structure(value, is_leaf=lambda v: isinstance(v, dict))) == "*"


def test_unflatten_counts_the_leaves() -> None:
    treedef = tree.structure((0, {"a": 0}))
    with pytest.raises(TreeError, match="number of leaves does not fit") as info:
        tree.unflatten(treedef, [1.0])
    assert "1 leaves" in str(info.value)
    assert "2, for (*, {'a': *})" in str(info.value)
    with pytest.raises(TreeError, match="number of leaves"):
        tree.unflatten(treedef, [1.0, 2.0, 3.0])


def test_unflatten_takes_any_iterable() -> None:
    def numbers() -> Iterator[int]:
        yield from (1, 2)

    assert tree.unflatten(tree.structure([0, 0]), numbers()) == [1, 2]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "*"),
        (None, "None"),
        ((1.0,), "(*,)"),
        ((1.0, None), "(*, None)"),
        ([1.0, [2.0]], "[*, [*]]"),
        ({"b": 1.0, "a": ()}, "{'a': (), 'b': *}"),
        (Point(1.0, 2.0), "Point(x=*, y=*)"),
        (Layer(1.0, 2.0), "Layer(weight=*, bias=*)"),
    ],
)
def test_repr_of_a_structure(value: Any, text: str) -> None:
    assert repr(tree.structure(value)) == text


def test_structures_are_hashable_and_compare_by_value() -> None:
    seen = {tree.structure(v) for v in TREES} | {tree.structure(v) for v in TREES}
    assert len(seen) == len(TREES)
    assert tree.structure([1.0]) != tree.structure((1.0,))
    assert tree.structure([1.0]) != "[*]"


def test_structures_pickle() -> None:
    for value in ({"a": [1.0, None]}, Point(1.0, 2.0), (1.0, ())):
        treedef = tree.structure(value)
        assert pickle.loads(pickle.dumps(treedef)) == treedef


def test_leaves_with_path() -> None:
    value = {"W": [1.0, Point(2.0, 3.0)], "b": Layer(4.0, 5.0), "c": Pair(6.0, 7.0)}
    assert tree.leaves_with_path(value) == [
        ("['W'][0]", 1.0),
        ("['W'][1].x", 2.0),
        ("['W'][1].y", 3.0),
        ("['b'].weight", 4.0),
        ("['b'].bias", 5.0),
        ("['c'][0]", 6.0),
        ("['c'][1]", 7.0),
    ]
    assert tree.leaves_with_path(1.0) == [("", 1.0)]


@pytest.mark.parametrize(
    ("second", "where", "got", "needed"),
    [
        ({"a": [1.0, 2.0]}, r"differ at \['a'\]\[1\]", "a leaf", "a tuple of 2"),
        ({"a": [1.0]}, r"differ at \['a'\]", "a list of 1", "a list of 2"),
        ({"b": [1.0, (2.0, 3.0)]}, "differ at the top", "keys ('b',)", "keys ('a',)"),
        ([1.0], "differ at the top", "a list of 1", "a dict with keys ['a']"),
        ({"a": [None, (2.0, (3.0,))]}, r"differ at \['a'\]\[1\]\[1\]", "a tuple of 1", "a leaf"),
        ({"a": [1.0, None]}, r"differ at \['a'\]\[1\]", "None", "a tuple of 2"),
        ({"a": 1.0, "b": 2.0}, "differ at the top", "['a', 'b']", "['a']"),
    ],
)
def test_a_mismatch_names_the_path(second: Any, where: str, got: str, needed: str) -> None:
    first = {"a": [1.0, (2.0, 3.0)]}
    with pytest.raises(TreeError, match=where) as info:
        tree.map(lambda p, q: p, first, second)
    message = str(info.value)
    got_line = next(line for line in message.splitlines() if "got:" in line)
    needed_line = next(line for line in message.splitlines() if "needed:" in line)
    assert got in got_line
    assert needed in needed_line
    assert "the structure of tree 2 is not that of the first tree" in message


def test_a_mismatch_in_a_static_field_is_shown() -> None:
    with pytest.raises(TreeError, match="tanh") as info:
        tree.map(lambda p, q: p, Layer(1.0, 2.0, "tanh"), Layer(1.0, 2.0, "relu"))
    assert "relu" in str(info.value)


def test_map_names_the_tree_that_differs() -> None:
    with pytest.raises(TreeError, match="the structure of tree 3 is not that"):
        tree.map(lambda *v: 0, [1.0], [2.0], (3.0,))


def test_broadcast_prefix() -> None:
    treedef = tree.structure(({"a": 0, "b": (0, 0)}, 0))
    spread = tree.broadcast_prefix
    assert spread(7, treedef, "op", "axes") == [7, 7, 7, 7]
    assert spread((1, 2), treedef, "op", "axes") == [1, 1, 1, 2]
    assert spread(({"a": 1, "b": 2}, None), treedef, "op", "axes") == [1, 2, 2, None]
    assert spread(({"a": 1, "b": (2, 3)}, 4), treedef, "op", "axes") == [1, 2, 3, 4]
    assert spread(None, treedef, "op", "axes") == [None] * 4


@pytest.mark.parametrize(
    ("prefix", "path"),
    [
        ((1, 2, 3), "the top"),
        ([1, 2], "the top"),
        (({"a": 1}, 2), r"\[0\]"),
        (({"a": 1, "b": (2, 3, 4)}, 5), r"\[0\]\['b'\]"),
    ],
)
def test_what_is_no_prefix_is_refused_with_its_path(prefix: Any, path: str) -> None:
    treedef = tree.structure(({"a": 0, "b": (0, 0)}, 0))
    with pytest.raises(TreeError, match=f"axes is not a prefix .* differ at {path}"):
        tree.broadcast_prefix(prefix, treedef, "op", "axes")


def test_a_deep_tree_flattens() -> None:
    value: Any = 1.0
    for _ in range(200):
        value = [value]
    leaves, treedef = tree.flatten(value)
    assert leaves == [1.0]
    assert tree.unflatten(treedef, leaves) == value
