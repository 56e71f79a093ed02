from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bench.analysis.baseline import Baseline, baselines, check_baseline
from bench.errors import UsageError
from bench.model.case import Case, Mode
from bench.model.precision import Precision
from bench.model.problem import Dtype
from bench.workloads import tutorial

CUDA = Case("torch_nn", "mlp_bias_sgd", "torch-cuda", "torch", "cuda", tutorial(), 2)
CPU = replace(CUDA, backend="torch-cpu", device="cpu")
OTHER = replace(CUDA, implementation="torch_other")
NUMPY = Case("numpy_bias_sgd", "mlp_bias_sgd", "numpy", "numpy", "cpu", tutorial(), 2)
OWN = Baseline.own("numpy_bias_sgd")
BF16 = Precision.AMP_BF16


@pytest.mark.parametrize("mode", Mode)
def test_the_baseline_of_a_transferred_case_is_resident_and_as_warm_or_cold(mode: Mode) -> None:
    contender = replace(CUDA, mode=mode)
    fair = [other for other in Mode if OWN.of(contender, [replace(NUMPY, mode=other)])]
    assert fair == [mode.on_host]
    assert Baseline("torch_other").of(contender, [replace(OTHER, mode=mode)])


@pytest.mark.parametrize(
    "change",
    [
        {"workload": "mlp_sgd"},
        {"threads": 1},
        {"precision": Precision.TF32},
        {"problem": tutorial(batch=65)},
        {"problem": tutorial(dtype=Dtype.FLOAT64)},
        {"device": "cuda"},
    ],
)
def test_a_workloads_own_under_other_conditions_or_on_a_device_is_none(change: dict[str, Any]) -> None:
    assert OWN.of(CUDA, [NUMPY]) == NUMPY
    assert OWN.of(CUDA, [replace(NUMPY, **change)]) is None


def test_a_workloads_own_is_at_full_whatever_the_contenders_precision_is() -> None:
    low = replace(NUMPY, precision=BF16)
    assert OWN.of(replace(CUDA, precision=BF16), [low, NUMPY]) == NUMPY
    assert OWN.of(replace(CUDA, precision=BF16), [low]) is None


def test_one_that_is_chosen_is_as_the_contender_in_all_that_is_not_named() -> None:
    low = replace(OTHER, precision=BF16)
    contender = replace(CUDA, precision=BF16)
    assert Baseline("torch_other").of(contender, [OTHER, low]) == low
    assert Baseline.parse("torch_other,precision=full").of(contender, [low, OTHER]) == OTHER
    one = replace(OTHER, threads=1)
    assert Baseline.parse("torch_other,threads=1").of(CUDA, [OTHER, one]) == one
    assert Baseline.parse("torch_other,threads=1").of(one, [OTHER, one]) == one


def test_without_a_backend_it_is_the_contenders_own_else_one_on_the_cpu() -> None:
    chosen = Baseline("torch_nn")
    assert chosen.of(OTHER, [CPU, CUDA]) == CUDA
    assert chosen.of(OTHER, [CPU]) == CPU
    assert chosen.of(NUMPY, [CUDA]) is None
    assert Baseline("torch_nn", "torch-cuda").of(NUMPY, [CPU, CUDA]) == CUDA
    assert Baseline("torch_nn", "torch-cpu").of(CUDA, [CPU, CUDA]) == CPU
    assert Baseline.own("torch_nn").of(CUDA, [CUDA, CPU]) == CPU


@pytest.mark.parametrize(
    ("rule", "case", "other", "name"),
    [
        (OWN, NUMPY, NUMPY, "numpy_bias_sgd"),
        (OWN, replace(CUDA, precision=BF16), NUMPY, "numpy_bias_sgd"),
        (Baseline.own("torch_nn"), CUDA, CPU, "torch_nn@torch-cpu"),
        (Baseline.own("torch_nn"), replace(CUDA, mode=Mode.TRANSFERRED_WARM), CPU, "torch_nn@torch-cpu"),
        (Baseline.own("torch_nn"), replace(CPU, precision=BF16), CPU, "torch_nn,precision=full"),
        (Baseline("torch_nn", "torch-cuda"), CUDA, CUDA, "torch_nn"),
        (Baseline("torch_nn"), replace(OTHER, backend="mine", device="cpu"), CPU, "torch_nn"),
        (Baseline("torch_nn"), replace(CPU, backend="mine"), CPU, "torch_nn@torch-cpu"),
        (Baseline("torch_nn", "torch-cuda"), OTHER, CUDA, "torch_nn@torch-cuda"),
        (Baseline("numpy_bias_sgd", "", (("threads", "2"),)), CUDA, NUMPY, "numpy_bias_sgd,threads=2"),
    ],
)
def test_its_name_is_bare_for_itself_and_tells_it_from_every_other_case(
    rule: Baseline, case: Case, other: Case, name: str
) -> None:
    assert rule.of(case, [other]) == other
    assert rule.named(case, other) == name
    assert (name == case.implementation) == (case == other)


def test_what_is_named_fits_the_contender_that_it_is() -> None:
    assert Baseline.parse("torch_nn").fits(CUDA.contender, OTHER.contender)
    assert not Baseline.parse("torch_nn").fits(CPU.contender, OTHER.contender)
    assert Baseline.parse("torch_nn@torch-cpu").fits(CPU.contender, OTHER.contender)
    assert Baseline.parse("numpy_bias_sgd").fits(NUMPY.contender, OTHER.contender)
    assert Baseline.parse("torch_nn").fits(CPU.contender, replace(OTHER, backend="mine", device="cpu").contender)
    assert not Baseline.parse("numpy_bias_sgd,threads=1").fits(NUMPY.contender, OTHER.contender)


@pytest.mark.parametrize("text", ["mine", "a.b@torch-cuda", "mine,threads=1", "mine@x,threads=2,precision=amp-bf16"])
def test_what_is_read_is_written_the_same(text: str) -> None:
    assert str(Baseline.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        (" ", "write NAME"),
        ("a b", "write NAME"),
        ("mine@", "write NAME"),
        ("mine@a@b", "write NAME"),
        ("mine,threads", "write NAME"),
        ("mine,thread=1", "did you mean 'threads'?"),
        ("mine,backend=numpy", "choose one of "),
        ("mine,threads=many", "give a whole number."),
        ("mine,precision=ful", "did you mean 'full'?"),
        ("mine,threads=1,threads=2", "leave out one of them."),
    ],
)
def test_what_cannot_be_read_is_named_with_its_cure(text: str, cure: str) -> None:
    with pytest.raises(UsageError, match=r"^--baseline ") as error:
        Baseline.parse(text)
    assert cure in str(error.value)


def test_workloads_without_the_chosen_one_keep_their_own() -> None:
    own = {"mlp_bias_sgd": "numpy_bias_sgd", "mlp_sgd": "numpy_manual"}
    found = baselines("torch_nn@torch-cpu", own, [CUDA, NUMPY])
    assert found == {"mlp_bias_sgd": Baseline("torch_nn", "torch-cpu"), "mlp_sgd": Baseline.own("numpy_manual")}
    assert baselines("", own, [CUDA]) == {name: Baseline.own(each) for name, each in own.items()}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("torch_n", "did you mean 'torch_nn'?"),
        ("torch_nn@numpy", "choose torch-cpu or torch-cuda"),
        ("torch_nn,threads=3", "choose 2"),
        ("torch_nn@torch-cpu,precision=amp-bf16", "choose full"),
    ],
)
def test_one_that_no_case_is_gets_a_sentence_with_what_there_is(text: str, words: str) -> None:
    cases = [CPU, CUDA, replace(CUDA, precision=BF16), NUMPY]
    with pytest.raises(UsageError) as error:
        check_baseline(text, cases)
    assert words in str(error.value)


@pytest.mark.parametrize("text", ["", "torch_nn", "torch_nn@torch-cuda,precision=amp-bf16", "numpy_bias_sgd,threads=2"])
def test_one_that_some_case_is_passes(text: str) -> None:
    check_baseline(text, [CPU, CUDA, replace(CUDA, precision=BF16), NUMPY])


def test_the_baseline_of_a_spread_case_is_on_one_device_unless_another_number_is_named() -> None:
    spread = replace(CPU, implementation="torch_ddp", devices=2)
    one, plain = replace(spread, devices=1), replace(CPU, devices=1)
    assert OWN.of(spread, [replace(NUMPY, devices=2), NUMPY]) == NUMPY
    assert OWN.named(spread, NUMPY) == "numpy_bias_sgd"
    assert Baseline("torch_nn").named(spread, plain) == "torch_nn"  # the number goes without saying
    chosen = Baseline("torch_ddp")
    assert chosen.of(spread, [spread, one]) == one
    assert chosen.named(spread, one) == "torch_ddp,devices=1"  # the bare name is that of the baseline itself
    assert Baseline.parse("torch_ddp,devices=2").of(spread, [one, spread]) == spread
    low = replace(spread, precision=BF16)
    assert Baseline.itself_at_full(low).of(low, [one, spread]) == spread
