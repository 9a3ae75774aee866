import numpy as np
import pytest

from fast_snow.engines.compiled.manifest import Agreement
from fast_snow.errors import EngineError
from fast_snow.export import parity


def _sample(count):
    return {"images": np.arange(count * 4, dtype=np.float32).reshape(count, 4)}


def _giving(name, value):
    return lambda _: {name: value}


def _times(factor):
    return lambda inputs: {"doubled": inputs["images"] * np.float32(factor), "mean": inputs["images"].mean(axis=1)}


def test_measures_the_largest_and_the_mean_difference_over_all_samples():
    def network(inputs):
        outputs = _times(2)(inputs)
        outputs["doubled"][-1, -1] += len(inputs["images"])
        return outputs

    measured = parity.compare(network, _times(2), _sample, (1, 2))
    assert measured.frames == (1, 2)
    assert measured.outputs["mean"] == Agreement(largest=0.0, mean=0.0)
    assert measured.outputs["doubled"] == Agreement(largest=2.0, mean=3 / 12)
    parity.require(measured, {"doubled": 2.0, "mean": 0.0}, "small.onnx")
    with pytest.raises(EngineError, match=r"small\.onnx: output doubled differs from torch by 2 .*, allowed is 1\.9"):
        parity.require(measured, {"doubled": 1.9, "mean": 0.0}, "small.onnx")


@pytest.mark.parametrize(("bad", "reference"), [(np.nan, 1.0), (np.inf, 1.0), (np.nan, np.nan), (np.inf, np.inf)])
def test_what_is_not_finite_never_agrees(bad, reference):
    depths = (_giving("depth", np.full(2, value, np.float32)) for value in (bad, reference))
    measured = parity.compare(*depths, _sample)
    with pytest.raises(EngineError, match="output depth differs"):
        parity.require(measured, {"depth": 1e9}, "small.onnx")


def test_half_precision_is_compared_in_double():
    reference = _giving("x", np.full(1, 60000, np.float32))
    network = _giving("x", np.full(1, -60000, np.float16))
    assert parity.compare(network, reference, _sample).outputs["x"].largest == pytest.approx(120000, rel=1e-3)


def test_outputs_that_do_not_match_are_told():
    with pytest.raises(EngineError, match="outputs are tripled, torch gives doubled, mean"):
        parity.compare(_giving("tripled", np.zeros(1)), _times(2), _sample)
    with pytest.raises(EngineError, match=r"output mean has shape \(1, 1\), torch gives \(1,\)"):
        parity.compare(_giving("mean", np.zeros((1, 1))), _giving("mean", np.zeros(1)), _sample)
    measured = parity.compare(_times(2), _times(2), _sample)
    with pytest.raises(EngineError, match="output mean has no tolerance"):
        parity.require(measured, {"doubled": 0.0}, "small.onnx")
