"""Sequences of noisy measurements: how they change, how sure that is, and whether they change at all.

Noise has three parts. Jitter is new in every frame and averages out. Wander changes slowly: within one of a few blocks
of time it is the same, so that it does not average out there, and in neighbouring blocks similar. Drift grows evenly
with time and averages out nowhere.

Whether something moves is asked twice: of the straight line through its path (the net motion), and of how far the path
strays from that line (bends, and ways there and back). The two are independent, so that neither hides what the other
finds.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from jaxtyping import Float64, Int64
from scipy.optimize import brentq
from scipy.special import fdtrc, fdtri, ncfdtr

from fast_snow.reasoning.tools.tool_answers import Unknowable
from fast_snow.types import Columns, ReadOnlyArrays

LEVEL: Final = 0.01
"""Motion, a side or a change is said to be there only if noise alone would feign it in less than so many cases."""
LIKELY: Final = 0.05
"""What noise alone would feign in less than so many cases is said to be likely."""
CRITICAL: Final = 2.5758
"""Standard deviations that a normal variable exceeds on either side in the share `LEVEL` of cases."""
LIKELY_CRITICAL: Final = 1.96
"""The same for `LIKELY`."""
POWER: Final = 0.95
"""The share of cases in which the smallest noticed motion is found."""
BLOCKS: Final = 6
CORRELATION: Final = 0.5
"""Of wander in neighbouring blocks; further apart it falls off geometrically."""
LONGEST_STEP: Final = 3.0
"""Frames between neighbours that still tell of jitter."""
_BENDS: Final = 6
"""Measurements that tell a bend from their noise."""
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
        drift: covariance of the rate at which all of it drifts, per unit of `x`.
        freedom: how many residuals the size of the noise was taken from.
    """

    x: Float64[np.ndarray, " n"]
    values: Values
    jitter: Covariances
    wander: Covariances
    drift: Covariances
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

    def scaled(self, factor: float) -> "VectorEstimate":
        """Return the estimate in another unit."""
        return VectorEstimate(value=factor * self.value, covariance=factor**2 * self.covariance)

    def turned(self, rotation: Float64[np.ndarray, "k k"]) -> "VectorEstimate":
        """Return the estimate in other axes."""
        return VectorEstimate(value=rotation @ self.value, covariance=rotation @ self.covariance @ rotation.T)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """What a test for rest found.

    Attributes:
        p_net: how likely noise alone makes the straight line through the measurements as steep as it is.
        p_path: how likely it makes them stray from that line as far as they do.
        spread: root mean square distance of the block means from their mean.
    """

    p_net: float
    p_path: float
    spread: float

    @property
    def p(self) -> float:
        """How likely noise alone feigns either."""
        return min(1.0, 2 * min(self.p_net, self.p_path))

    @property
    def moves(self) -> bool:
        """Whether noise alone would feign it in less than `LEVEL` of all cases."""
        return self.p < LEVEL

    @property
    def likely_moves(self) -> bool:
        """Whether noise alone would feign it in less than `LIKELY` of all cases."""
        return self.p < LIKELY


def blocks(n: int) -> list[Int64[np.ndarray, " ..."]]:
    """Return the indices of consecutive blocks of `n` frames: at most `BLOCKS`, of two frames or more if possible."""
    return np.array_split(np.arange(n), max(1, min(BLOCKS, n // 2) if n > 3 else n))


def combine(measurements: Measurements, weights: Float64[np.ndarray, " n"]) -> VectorEstimate:
    """Return the weighted sum of measurements."""
    _require_finite(measurements.values, measurements.jitter, measurements.wander)
    start = np.array([block[0] for block in blocks(len(measurements))])
    share, count = np.add.reduceat(weights, start), np.diff(start, append=len(weights))
    wander = np.add.reduceat(measurements.wander, start, axis=0) / count[:, None, None]
    apart = np.abs(np.subtract.outer(np.arange(len(start)), np.arange(len(start))))
    covariance = np.einsum("n,nij->ij", weights**2, measurements.jitter)
    covariance += np.einsum("b,bij->ij", share * (CORRELATION**apart @ share), wander)
    return VectorEstimate(value=weights @ measurements.values, covariance=covariance)


def line_weights(measurements: Measurements) -> Float64[np.ndarray, " n"]:
    """Return what measurements are multiplied by to get the slope of the line through them; the unsure count less."""
    covariance = measurements.jitter + measurements.wander
    _require_finite(covariance)
    relative = np.einsum("ij,nji->n", np.linalg.pinv(covariance.mean(axis=0), hermitian=True), covariance)
    weight = 1 / (relative / max(float(np.median(relative)), 1e-300)).clip(1.0)
    centred = measurements.x - np.average(measurements.x, weights=weight)
    return np.asarray(weight * centred / (weight @ centred**2))


def line_slope(measurements: Measurements) -> VectorEstimate:
    """Return the slope of the straight line through measurements by weighted least squares, per unit of `x`."""
    slope = combine(measurements, line_weights(measurements))
    return VectorEstimate(value=slope.value, covariance=slope.covariance + measurements.drift.mean(axis=0))


def _line_change(measurements: Measurements) -> VectorEstimate:
    span = float(measurements.x[-1] - measurements.x[0])
    slope = line_slope(measurements)
    return VectorEstimate(value=span * slope.value, covariance=span**2 * slope.covariance)


def total_change(measurements: Measurements) -> VectorEstimate:
    """Return how much measurements change from first to last along the straight line through them.

    The covariance holds by how much the ends of a course that bends to and fro are off that line.
    """
    change = _line_change(measurements)
    if len(measurements) < _BENDS or np.diff(measurements.x).max() > LONGEST_STEP:
        return change
    x = 2 * (measurements.x - measurements.x[0]) / (measurements.x[-1] - measurements.x[0]) - 1
    powers = np.vander(x, 4, increasing=True)
    cubic = powers[:, 3] - powers[:, :3] @ np.linalg.lstsq(powers[:, :3], powers[:, 3])[0]
    bend = combine(measurements, cubic * (cubic[-1] - cubic[0]) / (cubic @ cubic))
    off = np.where(np.abs(bend.value) > CRITICAL * bend.sigma, bend.value**2, 0.0)
    return VectorEstimate(value=change.value, covariance=change.covariance + np.diag(off))


def block_means(measurements: Measurements) -> list[VectorEstimate]:
    """Return the mean of each block."""
    n = len(measurements)
    return [combine(measurements, np.isin(np.arange(n), block) / len(block)) for block in blocks(n)]


def rest_test(measurements: Measurements) -> Rest:
    """Test whether a quantity stays the same: its net change, and how far it strays from an even one, by F tests."""
    net, means = _line_change(measurements), block_means(measurements)
    k, n = len(net.value), len(means)
    value = np.stack([each.value for each in means])
    covariance = np.stack([each.covariance for each in means])
    when = np.array([measurements.x[each].mean() for each in blocks(len(measurements))])
    return Rest(
        p_net=distance_p(net.value[None], net.covariance[None], k, measurements.freedom),
        p_path=distance_p(_from_line(when, value, covariance), covariance, k * (n - 2), measurements.freedom),
        spread=float(np.sqrt(((value - value.mean(axis=0)) ** 2).sum(axis=1).mean())),
    )


def _from_line(x: Float64[np.ndarray, " n"], values: Values, covariance: Covariances) -> Values:
    """Return how far values are from the straight line that fits them best, each weighted by its certainty."""
    _require_finite(values, covariance)
    x = (x - x.mean()) / max(float(np.ptp(x)), 1e-300)
    weight, powers = np.linalg.pinv(covariance, hermitian=True), np.stack([np.ones_like(x), x])
    k = values.shape[1]
    normal = np.einsum("an,bn,nij->aibj", powers, powers, weight).reshape(2 * k, 2 * k)
    right = np.einsum("an,nij,nj->ai", powers, weight, values).reshape(2 * k)
    scale = np.sqrt(np.maximum(np.diag(normal), 1e-300))
    line = (np.linalg.pinv(normal / np.outer(scale, scale), hermitian=True) @ (right / scale) / scale).reshape(2, k)
    return values - powers.T @ line


def smallest_noticed(
    covariance: Float64[np.ndarray, "k k"], dimensions: int, freedom: int
) -> Float64[np.ndarray, "k k"]:
    """Return the matrix M of the net changes `d` that are found in the share `POWER` of cases: `d^T M d = 1`.

    Args:
        covariance: of the net change.
        dimensions: of the test.
        freedom: how many residuals the size of the noise was taken from.
    """
    _require_finite(covariance)
    freedom = max(freedom, 1)
    limit = float(fdtri(dimensions, freedom, 1 - LEVEL / 2))
    top = 4.0
    while ncfdtr(dimensions, freedom, top, limit) > 1 - POWER:
        top *= 2
    found = brentq(lambda nc: ncfdtr(dimensions, freedom, nc, limit) - (1 - POWER), 0.0, top)
    return np.linalg.pinv(covariance, hermitian=True) / found


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
