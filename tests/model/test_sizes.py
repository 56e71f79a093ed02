from __future__ import annotations

from bench.model.sizes import Sizes


def test_sizes_in_another_order_are_the_same() -> None:
    """Files hold them in an order of their own, and cases are looked up by what is read back."""
    one, other = Sizes(batch=8, length=4, hidden=2), Sizes(batch=8, hidden=2, length=4)
    assert one == other
    assert {one: "found"}[other] == "found"
    assert one != Sizes(batch=8, length=4, hidden=3)
