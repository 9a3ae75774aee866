"""Scene graphs that prompts are made of."""

from types import MappingProxyType

import numpy as np

from fast_snow.types import DepthOrigin, Ego, Keyframe, SceneGraph, StepToken, Track

GRID = 4
PIXELS = (18, 27)


def token(t, rng=None, **changes):
    """One observation; of `rng`, any finite float32 there is, and cells in any order."""
    values = {
        "row": np.array([1, 1, 1], np.uint8),
        "col": np.array([0, 1, 2], np.uint8),
        "coverage": np.array([20 / 30, 1, 0.71], np.float32),
        "centroid": np.array([5.12, -0.3, 1.05], np.float32),
        "sigma": np.array([1.12, 0.5, 0.25], np.float32),
        "low": np.array([2.9, -3.0, 0.5], np.float32),
        "high": np.array([7.4, -1.0, 1.5], np.float32),
    }
    if rng is not None:
        cells = rng.permutation(GRID * GRID)[: rng.integers(GRID * GRID + 1)]
        shares = rng.choice([1.0, 0.5, 2 / 3, 20 / 30, 0.0, -0.0, 1e-7, rng.random()], len(cells))
        values = {name: any_float32(rng, 3) for name in ("centroid", "sigma", "low", "high")}
        values |= {"row": cells // GRID, "col": cells % GRID, "coverage": shares.astype(np.float32)}
        values |= {name: values[name].astype(np.uint8) for name in ("row", "col")}
    return StepToken(t=t, num_points=345, score=0.9, **values | changes)


def any_float32(rng, *shape):
    numbers = rng.integers(0, 2**32, shape, dtype=np.uint32).view(np.float32)
    usual = (rng.normal(size=shape) * 10).astype(np.float32)
    return np.where(np.isfinite(numbers) & (rng.random(shape) < 0.3), numbers, usual)


def ego(n, rng=None):
    unknown = rng is not None and rng.random() < 0.3
    rotation = np.full(4, np.nan, np.float32) if unknown else np.array([0, 0, 0, 1], np.float32)
    return Ego(
        t=np.arange(n, dtype=np.int32),
        time_s=np.full(n, np.nan) if unknown else np.arange(n) / 10 + (0 if rng is None else rng.random()),
        source_frame=np.arange(n, dtype=np.int64) * 3,
        position=np.zeros((n, 3), np.float32) if rng is None else any_float32(rng, n, 3),
        quaternion_xyzw=np.tile(rotation, (n, 1)),
        intrinsics=np.full((n, 4), 20.5, np.float32)
        if rng is None
        else rng.choice(np.array([20.5, 30, np.nan], np.float32), (n, 1)).repeat(4, axis=1),
    )


def graph(spans, n=10, **changes):
    """A graph of objects given as `{id: ts at which it is seen}`."""
    tracks = {
        k: Track(object_id=k, observations=tuple(token(t) for t in ts), theta=(ts[0], ts[-1]))
        for k, ts in spans.items()
    }
    return of_tracks(tracks, ego(n), **changes)


def of_tracks(tracks, path, **changes):
    values = {
        "grid_size": GRID,
        "analysis_grid": PIXELS,
        "metric": False,
        "depth_origin": (DepthOrigin.TRIANGULATED,),
        "ego": path,
        "tracks": MappingProxyType(tracks),
        "keyframes": tuple(Keyframe(t=t, source_frame=3 * t, path=f"keyframes/{t:06d}.jpg") for t in (0, 5)),
    }
    return SceneGraph(**values | changes)


def any_graph(seed, n=8, objects=5):
    """A graph of any numbers, positions and times."""
    rng = np.random.default_rng(seed)
    tracks = {}
    for k in rng.permutation(20)[: rng.integers(objects + 1)].tolist():
        ts = np.sort(rng.permutation(n)[: rng.integers(1, n + 1)]).tolist()
        observed = tuple(token(t, rng) for t in ts)
        tracks[k] = Track(object_id=k, observations=observed, theta=(ts[0], ts[-1]))
    return of_tracks(
        tracks,
        ego(n, rng),
        analysis_grid=[PIXELS, (0, 0), (3, 3)][rng.integers(3)],
        metric=bool(rng.random() < 0.5),
        depth_origin=tuple(list(DepthOrigin)[i] for i in rng.permutation(4)[: rng.integers(4)]),
    )
