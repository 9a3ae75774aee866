"""Sequences of noisy measurements: how they change, how sure that is, and whether they change at all.

Noise has two parts. Jitter is new in every frame and averages out. Wander changes slowly: within one of a few blocks of
time it is the same, so that it does not average out there.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64, Int64
from scipy.special import fdtrc

from fast_snow.reasoning.tools.tool_answers import Unknowable
from fast_snow.types import Columns, ReadOnlyArrays

LEVEL: Final = 0.01
"""Motion, a side or a change is said to be there only if noise alone would feign it in less than so many cases."""
CRITICAL: Final = 2.5758
"""Standard deviations that a normal variable exceeds on either side in that share of cases."""
BLOCKS: Final = 6
LONGEST_STEP: Final = 3.0
"""Frames between neighbours that still tell of jitter."""
_MAD: Final = 1.4826
"""Standard deviation of a normal variable whose median magnitude is 1."""

Values = Float64[np.ndarray, "n k"]
Covariances = Float64[np.ndarray, "n k k"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measurements(Columns):
    """Some quantities in several frames, with their noise.

    Attributes:
        x: when, in any unit of time; increasing.
        values: what was measured.
        jitter: covariance of what is new in each frame.
        wander: covariance of what changes slowly.
        freedom: how many residuals the size of the noise was taken from.
    """

    x: Float64[np.ndarray, " n"]
    values: Values
    jitter: Covariances
    wander: Covariances
    freedom: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VectorEstimate(ReadOnlyArrays):
    """A vector and its covariance."""

    value: Float64[np.ndarray, " k"]
    covariance: Float64[np.ndarray, "k k"]

    @property
    def sigma(self) -> Float64[np.ndarray, " k"]:
        """Standard deviation along each axis."""
        return np.sqrt(np.maximum(np.diag(self.covariance), 0.0))

    @property
    def length(self) -> tuple[float, float]:
        """Length of the vector and its standard deviation, to first order."""
        length = float(np.linalg.norm(self.value))
        along = self.value / length if length > 0 else np.full(len(self.value), len(self.value) ** -0.5)
        return length, float(np.sqrt(max(along @ self.covariance @ along, 0.0)))

    @property
    def significant(self) -> bool:
        """Whether the vector differs from zero beyond what noise feigns."""
        return distance_p(self.value[None], self.covariance[None], len(self.value), 10**6) < LEVEL

    def turned(self, rotation: Float64[np.ndarray, "k k"]) -> "VectorEstimate":
        """Return the estimate in other axes."""
        return VectorEstimate(value=rotation @ self.value, covariance=rotation @ self.covariance @ rotation.T)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What a test for rest found.

    Attributes:
        p: how likely noise alone makes the measurements differ as much as they do.
        spread: root mean square distance of the block means from their mean.
        sigma: standard deviation of a block's mean along one axis, from noise.
    """

    p: float
    spread: float
    sigma: float

    @property
    def moves(self) -> bool:
        """Whether noise alone would feign it in less than `LEVEL` of all cases."""
        return self.p < LEVEL


def blocks(n: int) -> list[Int64[np.ndarray, " ..."]]:
    """Return the indices of consecutive blocks of `n` frames: at most `BLOCKS`, of two frames or more if possible."""
    return np.array_split(np.arange(n), max(1, min(BLOCKS, n // 2) if n > 3 else n))


def combine(measurements: Measurements, weights: Float64[np.ndarray, " n"]) -> VectorEstimate:
    """Return the weighted sum of measurements."""
    _require_finite(measurements.values, measurements.jitter, measurements.wander)
    covariance = np.einsum("n,nij->ij", weights**2, measurements.jitter)
    for block in blocks(len(measurements)):
        covariance = covariance + weights[block].sum() ** 2 * measurements.wander[block].mean(axis=0)
    return VectorEstimate(value=weights @ measurements.values, covariance=covariance)


def line_slope(measurements: Measurements) -> VectorEstimate:
    """Return the slope of the straight line through measurements by least squares, per unit of `x`."""
    centred = measurements.x - measurements.x.mean()
    return combine(measurements, centred / (centred @ centred))


def total_change(measurements: Measurements) -> VectorEstimate:
    """Return how much measurements change from first to last along the straight line through them."""
    slope, span = line_slope(measurements), float(measurements.x[-1] - measurements.x[0])
    return VectorEstimate(value=span * slope.value, covariance=span**2 * slope.covariance)


def block_means(measurements: Measurements) -> list[VectorEstimate]:
    """Return the mean of each block."""
    n = len(measurements)
    return [combine(measurements, np.isin(np.arange(n), block) / len(block)) for block in blocks(n)]


def rest_test(measurements: Measurements) -> Rest:
    """Test whether a quantity stays the same: the block means against their noise, by an F test."""
    means = block_means(measurements)
    value = np.stack([each.value for each in means])
    covariance = np.stack([each.covariance for each in means])
    precision = np.linalg.pinv(covariance, hermitian=True)
    centre = np.linalg.pinv(precision.sum(axis=0), hermitian=True) @ np.einsum("nij,nj->i", precision, value)
    deviations = value - centre
    k = value.shape[1]
    return Rest(
        p=distance_p(deviations, covariance, k * (len(value) - 1), measurements.freedom),
        spread=float(np.sqrt((deviations**2).sum(axis=1).mean())),
        sigma=float(np.sqrt(max(np.trace(covariance.mean(axis=0)) / k, 0.0))),
    )


def distance_p(deviations: Values, covariance: Covariances, dimensions: int, freedom: int) -> float:
    """Return how likely noise alone gives deviations as large as these.

    Args:
        deviations: each from its mean.
        covariance: of each.
        dimensions: of all deviations together; 0 where nothing could deviate.
        freedom: how many residuals the size of the noise was taken from.
    """
    _require_finite(deviations, covariance)
    if dimensions < 1:
        return 1.0
    squared = np.einsum("ni,nij,nj->", deviations, np.linalg.pinv(covariance, hermitian=True), deviations)
    return float(fdtrc(dimensions, max(freedom, 1), max(float(squared), 0.0) / dimensions))


def _require_finite(*arrays: Float64[np.ndarray, "..."]) -> None:
    if not all(np.isfinite(each).all() for each in arrays):
        raise Unknowable("the graph's numbers are too large to reckon with, or its cameras are unknown there")


def residuals(
    x: Float64[np.ndarray, " n"], values: Values
) -> tuple[Float64[np.ndarray, "m k"], Int64[np.ndarray, " m"]]:
    """Return how far each measurement is from the line between its neighbours, as multiples of one's own noise.

    Args:
        x: frames; increasing. Neighbours more than `LONGEST_STEP` apart do not count.
        values: what was measured.

    Returns:
        The residuals, scaled so that their variance is that of one measurement, and which measurement each is of.
    """
    middle = np.arange(1, len(x) - 1)
    middle = middle[(x[middle + 1] - x[middle] <= LONGEST_STEP) & (x[middle] - x[middle - 1] <= LONGEST_STEP)]
    share = ((x[middle] - x[middle - 1]) / (x[middle + 1] - x[middle - 1]))[:, None]
    expected = (1 - share) * values[middle - 1] + share * values[middle + 1]
    return (values[middle] - expected) / np.sqrt(1 + share**2 + (1 - share) ** 2), middle


def robust_sigma(magnitudes: Float64[np.ndarray, "..."]) -> float:
    """Return the standard deviation of normal variables of which these are the magnitudes; few outliers do no harm."""
    return float(_MAD * np.median(magnitudes)) if magnitudes.size else 0.0
