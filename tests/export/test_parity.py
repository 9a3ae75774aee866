import numpy as np
import pytest

from fast_snow.engines.compiled.manifest import Agreement, Tolerance
from fast_snow.errors import EngineError
from fast_snow.export import parity


def _sample(count):
    return {"images": np.arange(count * 4, dtype=np.float32).reshape(count, 4)}


def _giving(name, value):
    return lambda _: {name: value}


def _times(factor):
    return lambda inputs: {"doubled": inputs["images"] * np.float32(factor), "mean": inputs["images"].mean(axis=1)}


ANY = {name: Tolerance(absolute=1e9) for name in ("depth", "x", "doubled", "mean", "tripled")}


def test_measures_the_largest_and_the_mean_difference_over_all_samples():
    def network(inputs):
        outputs = _times(2)(inputs)
        outputs["doubled"][-1, -1] += len(inputs["images"])
        return outputs

    def measured(absolute):
        tolerance = {"doubled": Tolerance(absolute=absolute), "mean": Tolerance(absolute=0.0)}
        return parity.compare(network, _times(2), _sample, tolerance, (1, 2)), tolerance

    within, tolerance = measured(4.0)
    assert within.frames == (1, 2)
    assert within.outputs["mean"] == Agreement(largest=0.0, mean=0.0, worst=0.0)
    assert within.outputs["doubled"] == Agreement(largest=2.0, mean=3 / 12, worst=0.5)
    parity.require(within, tolerance, "small.onnx")
    with pytest.raises(EngineError, match=r"small\.onnx: output doubled differs from torch by 2 .*, allowed is 1\.9 "):
        parity.require(*measured(1.9), "small.onnx")


def test_large_values_may_differ_by_a_share():
    reference, tolerance = _giving("x", np.array([100.0, 0.1])), {"x": Tolerance(absolute=0.01, relative=0.01)}
    for got, worst in (([101.0, 0.1], 1 / 1.01), ([100.0, 0.1 + 0.00505], 0.00505 / 0.011)):
        measured = parity.compare(_giving("x", np.array(got)), reference, _sample, tolerance)
        assert measured.outputs["x"].worst == pytest.approx(worst)
    measured = parity.compare(_giving("x", np.array([100.0, 1.1])), reference, _sample, tolerance)
    with pytest.raises(EngineError, match=r"0\.01 \+ 0\.01 \* \|value\|"):
        parity.require(measured, tolerance, "small.onnx")


@pytest.mark.parametrize(("bad", "reference"), [(np.nan, 1.0), (np.inf, 1.0), (np.nan, np.nan), (np.inf, np.inf)])
def test_what_is_not_finite_never_agrees(bad, reference):
    depths = (_giving("depth", np.full(2, value, np.float32)) for value in (bad, reference))
    measured = parity.compare(*depths, _sample, ANY)
    with pytest.raises(EngineError, match="output depth differs"):
        parity.require(measured, ANY, "small.onnx")


def test_half_precision_is_compared_in_double():
    reference = _giving("x", np.full(1, 60000, np.float32))
    network = _giving("x", np.full(1, -60000, np.float16))
    assert parity.compare(network, reference, _sample, ANY).outputs["x"].largest == pytest.approx(120000, rel=1e-3)


def test_outputs_that_do_not_match_are_told():
    with pytest.raises(EngineError, match="outputs are tripled, torch gives doubled, mean"):
        parity.compare(_giving("tripled", np.zeros(1)), _times(2), _sample, ANY)
    with pytest.raises(EngineError, match=r"output mean has shape \(1, 1\), torch gives \(1,\)"):
        parity.compare(_giving("mean", np.zeros((1, 1))), _giving("mean", np.zeros(1)), _sample, ANY)
    with pytest.raises(EngineError, match="output mean has no tolerance"):
        parity.compare(_times(2), _times(2), _sample, {"doubled": Tolerance(absolute=0.0)})
