from __future__ import annotations

import copy
import pickle

import pytest
from pydantic import TypeAdapter

from bench import Sizes
from bench.model.problem import Problem


def test_sizes_are_a_mapping_and_attributes_in_the_order_given() -> None:
    sizes = Sizes({"layers": 2}, width=64)
    assert dict(sizes) == {"layers": 2, "width": 64}
    assert (sizes.layers, sizes["width"], len(sizes)) == (2, 64, 2)
    with pytest.raises(AttributeError, match="no size 'depth': there are layers, width"):
        _ = sizes.depth


def test_the_order_does_not_tell_sizes_apart() -> None:
    one, other = Sizes(layers=2, width=64), Sizes(width=64, layers=2)
    assert one == other
    assert {one: "found"}[other] == "found"
    assert one != Sizes(layers=2, width=65)


def test_changes_of_other_names_are_ignored() -> None:
    assert Sizes(layers=2).changed({"layers": 3, "hidden": 5}) == Sizes(layers=3)


def test_columns_and_back_a_size_of_zero_is_none() -> None:
    sizes = Sizes(layers=2)
    assert sizes.columns == {"size.layers": 2}
    assert Sizes.from_columns({**sizes.columns, "size.hidden": 0, "threads": 4}) == sizes


@pytest.mark.parametrize("make", [copy.copy, copy.deepcopy, lambda sizes: pickle.loads(pickle.dumps(sizes))])  # noqa: S301
def test_copies_are_equal(make: object) -> None:
    assert make(Problem(Sizes(layers=2))) == Problem(Sizes(layers=2))  # type: ignore[operator]


def test_they_travel_as_an_object_of_json() -> None:
    kind = TypeAdapter(Sizes)
    assert kind.dump_json(Sizes(layers=2)) == b'{"layers":2}'
    assert kind.validate_json(b'{"layers":2}') == Sizes(layers=2)


@pytest.mark.parametrize("name", ["", "Layers", "2d", "d-in", "d in", "size.x", "é", "a" * 33, 7])
def test_a_malformed_name_is_refused(name: object) -> None:
    with pytest.raises(ValueError, match="small letters"):
        Sizes({name: 1})  # type: ignore[dict-item]


@pytest.mark.parametrize("name", ["keys", "items", "get", "columns", "changed"])
def test_a_name_that_an_attribute_has_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}.*take another"):
        Sizes({name: 1})


@pytest.mark.parametrize("value", [0, -3, 2.5, "many", True, None, 10**9 + 1])
def test_a_value_that_is_no_positive_whole_number_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=f"layers={value!r}: give a whole number"):
        Sizes(layers=value)  # type: ignore[arg-type]
