import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper
from tests.support.onnx_models import info, model_of, zeros

from twentywatts.errors import InputError, RefusedError
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.steps.int8 import quantised
from twentywatts.slimming.timing.device_model import Work, fitted, work_of


def work(macs=1e5, narrow=0.0, weights=1e4, activations=1e4, kernels=5.0, batch=1):
    return Work(
        float_mac_count=macs,
        int8_mac_count=narrow,
        weight_bytes=weights,
        activation_bytes=activations,
        kernel_count=kernels,
        batch=batch,
    )


def truth(one):
    return 1e-10 * one.float_mac_count + 3e-11 * one.int8_mac_count + 2e-11 * one.weight_bytes + 1e-5 / one.batch


def many(count, seed=0):
    random = np.random.Generator(np.random.PCG64(seed))
    return [
        work(random.uniform(1e4, 1e6), random.choice([0, 1e5]), random.uniform(1e3, 1e5), random.uniform(1e3, 1e5), 5)
        for _ in range(count)
    ]


def test_a_device_of_these_terms_is_found_again():
    works = many(12)
    model = fitted(works, [truth(one) for one in works])
    fresh = work(5e5, 2e5, 5e4)
    assert model.time_s(fresh) == pytest.approx(truth(fresh), rel=1e-6)
    assert model.error_frac < 1e-6


def test_the_error_is_of_points_that_were_left_out():
    works = many(10)
    times = [truth(one) for one in works]
    times[3] *= 3  # the others cannot know
    model = fitted(works, times)
    assert model.errors_frac[3] == pytest.approx(-2 / 3, abs=1e-6)
    assert model.error_frac > 0.06


@settings(max_examples=20)
@given(st.lists(st.floats(1e-6, 1e-2), min_size=4, max_size=12), st.integers(0, 1000))
def test_no_time_is_ever_negative(times, seed):
    model = fitted(many(len(times), seed), times)
    assert (model.coefficients >= 0).all()
    assert model.time_s(work()) >= 0


def test_what_is_surely_slower_is_not_worth_measuring():
    works = many(12)
    model = fitted(works, [truth(one) for one in works])
    assert not model.may_beat(work(1e6), 2e-5)
    assert model.may_beat(work(1e4), 2e-5)


def test_too_few_candidates_are_refused():
    with pytest.raises(RefusedError, match="4 measured"):
        fitted(many(3), [1e-5] * 3)


@pytest.mark.parametrize("times", [[1e-5] * 3, [1e-5, 1e-5, 0.0, 1e-5], [1e-5, float("inf"), 1e-5, 1e-5]])
def test_times_that_cannot_be_are_refused(times):
    with pytest.raises(InputError):
        fitted(many(4), times)


def test_the_work_of_a_layer_is_known():
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    model = model_of(nodes, [info("x", ("n", 64))], ["y"], [zeros("w", 64, 32)])
    base = Candidate(content=model.SerializeToString())
    one, many_at_once = work_of(base), work_of(base, batch=8)
    assert one.mac_count == one.float_mac_count == many_at_once.mac_count == 64 * 32
    assert one.weight_bytes == 64 * 32 * 4 == 8 * many_at_once.weight_bytes
    assert one.activation_bytes == (64 + 32) * 4
    assert many_at_once.features[-1] == 1 / 8
    narrow = work_of(quantised(base, {"x": np.ones((4, 64), np.float32)}))
    assert narrow.int8_mac_count == 64 * 32
    assert narrow.float_mac_count == 0
    assert narrow.weight_bytes < one.weight_bytes / 2
