from __future__ import annotations

from types import ModuleType

import pandas as pd

from bench.analysis.scaling import apart, main_axis, planes
from bench.model.case import Case
from bench.workloads import tutorial


def frame(build: ModuleType, cases: list[Case]) -> pd.DataFrame:
    return pd.DataFrame([build.planned_case(case).columns for case in cases])


def test_a_plane_holds_the_lines_that_differ_in_one_size_only(build: ModuleType) -> None:
    cases = [
        build.make_case(name, backend, threads=threads, problem=tutorial(hidden=hidden))
        for hidden in (400, 100, 200)
        for name, backend in (("numpy_manual", "numpy"), ("torch_nn", "torch-cpu"))
        for threads in (1, 2)
    ]
    (plane,) = planes(frame(build, cases))
    assert (plane.workload, plane.axis, plane.sizes) == ("mlp_sgd", "size.hidden", (100, 200, 400))
    assert plane.common["size.batch"] == 64
    assert "size.hidden" not in plane.common
    assert [(line.contender["implementation"], line.contender["threads"]) for line in plane.lines] == [
        ("numpy_manual", 1),
        ("numpy_manual", 2),
        ("torch_nn", 1),
        ("torch_nn", 2),
    ]
    assert all(line.rows["size.hidden"].tolist() == [100, 200, 400] for line in plane.lines)


def test_a_run_of_one_size_has_no_planes(build: ModuleType) -> None:
    assert planes(frame(build, [build.make_case(), build.make_case("torch_nn", "torch-cpu")])) == ()


def test_two_axes_give_planes_along_both(build: ModuleType) -> None:
    cases = [build.make_case(problem=tutorial(hidden=h, batch=b)) for h in (10, 20, 30) for b in (1, 2)]
    found = planes(frame(build, cases))
    assert [(plane.axis, plane.sizes) for plane in found] == [
        ("size.batch", (1, 2)),
        ("size.batch", (1, 2)),
        ("size.batch", (1, 2)),
        ("size.hidden", (10, 20, 30)),
        ("size.hidden", (10, 20, 30)),
    ]
    assert main_axis(found) == "size.hidden"


def test_workloads_and_formats_never_share_a_plane(build: ModuleType) -> None:
    from bench.model.problem import Dtype

    cases = [
        build.make_case(name, workload=workload, problem=tutorial(hidden=hidden, dtype=dtype))
        for name, workload in (("numpy_manual", "mlp_sgd"), ("numpy_adam", "mlp_bias_adam"))
        for dtype in Dtype
        for hidden in (10, 20)
    ]
    found = planes(frame(build, cases))
    assert [(plane.workload, plane.common["dtype"]) for plane in found] == [
        ("mlp_sgd", "float32"),
        ("mlp_sgd", "float64"),
        ("mlp_bias_adam", "float32"),
        ("mlp_bias_adam", "float64"),
    ]


def test_a_contender_with_one_size_has_no_line(build: ModuleType) -> None:
    cases = [build.make_case(problem=tutorial(hidden=h)) for h in (10, 20)]
    cases.append(build.make_case("torch_nn", "torch-cpu", problem=tutorial(hidden=10)))
    (plane,) = planes(frame(build, cases))
    assert [line.contender["implementation"] for line in plane.lines] == ["numpy_manual"]


def test_planes_of_workloads_with_other_sizes_are_told_apart() -> None:
    shared = {"implementation": "x", "backend": "numpy", "framework": "numpy", "device": "cpu", "dtype": "float32"}
    shared |= {"threads": 1, "mode": "resident-warm", "precision": "full", "devices": 1}
    own = {"a": {"size.d_in": 10, "size.seq": 0}, "b": {"size.d_in": 0, "size.seq": 5}}
    rows = [
        {**shared, "workload": name, "size.batch": batch, **sizes} for name, sizes in own.items() for batch in (16, 32)
    ]
    found = planes(pd.DataFrame(rows))
    assert [apart(plane, found) for plane in found] == [{"size.d_in": 10}, {"size.seq": 5}]
