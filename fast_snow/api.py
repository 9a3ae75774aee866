"""The Python interface: a video or a recording becomes a graph."""

import warnings
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any, TextIO

import cv2
import numpy as np
from jaxtyping import UInt8

from fast_snow import keyframes, output
from fast_snow.config import Config
from fast_snow.emptiness import doubts
from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.graph import fold, start
from fast_snow.inputs import Input, open_input
from fast_snow.inputs.opening import located
from fast_snow.inputs.recording import Recording
from fast_snow.inputs.windows import windows
from fast_snow.kernels import threads
from fast_snow.keyframes import KeyframeImage
from fast_snow.output import graph_json
from fast_snow.perception import perceive
from fast_snow.pipeline import Pipeline, Step, run
from fast_snow.protocols import Progress, silent
from fast_snow.residency import resident
from fast_snow.resuming import Memory
from fast_snow.run_record import record, summarize_run
from fast_snow.selection import Engines, Selection, select_engines
from fast_snow.types import LabelledMasks, SceneGraph
from fast_snow.types.values import counted
from fast_snow.viewing.outlines import draw_objects


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Result:
    """What a run made.

    Attributes:
        graph: the 4D scene graph.
        labelled: the masks of every frame with the objects they belong to. Those of a long run would not fit in memory:
            they lie in a temporary folder (below `TMPDIR`), which goes with the result, and are read when asked for.
        keyframes: the encoded images that the graph points to; they lie there too.
        record: the content of `run.json`.
    """

    graph: SceneGraph
    labelled: Sequence[LabelledMasks]
    keyframes: Sequence[KeyframeImage]
    record: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Result({self.graph!r}, {counted(len(self.keyframes), 'keyframe')})"

    def _repr_html_(self) -> str:
        """Return the first keyframe with numbered objects and the table of tracks, for notebooks."""
        if not self.keyframes:
            return self.graph._repr_html_()
        image = b64encode(keyframes.encode_jpeg(self.picture(), 90)).decode("ascii")
        return f'<img src="data:image/jpeg;base64,{image}" style="max-width:100%">{self.graph._repr_html_()}'

    def picture(self, t: int | None = None) -> UInt8[np.ndarray, "height width 3"]:
        """Return a keyframe as an RGB image with the objects' outlines and numbers.

        Args:
            t: index of the keyframe in the clip; the first keyframe if omitted.

        Raises:
            InputError: frame `t` is no keyframe.
        """
        known = [each.t for each in self.graph.keyframes]
        t = next(iter(known), None) if t is None else t
        if t is None or t not in known:
            raise InputError(f"picture: got t={t}, expected a keyframe, one of {known}")
        jpeg = self.keyframes[known.index(t)].jpeg
        bgr = np.asarray(cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR))
        labelled = self.labelled[int(np.searchsorted(self.graph.ego.t, t))]
        return draw_objects(np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8), labelled)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write graph, keyframes, masks and record into a folder, complete or not at all.

        Args:
            folder: where the run belongs; what else is in it stays.
            overwrite: whether a run that is already there may be replaced: the files that it recorded, while nobody
                changed them.

        Raises:
            OutputError: the folder cannot be written or is in use, or holds a run or a file that may not be replaced.

        Examples:
            >>> result = fast_snow.build_graph("recording")
            >>> result.save("out/saved")
            >>> fast_snow.load("out/saved")
            SceneGraph(4 frames, t 0-3, 0.00-0.30 s, 8 tracks, 27 observations, metric, 1 keyframe)
        """
        path = self.record["input"]["path"]
        source = None if path is None else Path(path)
        with output.create(Path(folder).expanduser(), overwrite=overwrite, source=source) as writer:
            writer.add(self.labelled, self.keyframes)
            writer.finish(self.graph, self.record)


def build_graph(
    source: str | Path | Recording | Input,
    *,
    config: Config = Config(),
    engines: Engines = Engines(),
    progress: Progress = silent,
) -> Result:
    """Turn a video or a recording into a 4D scene graph.

    Args:
        source: a video file, a recording folder, a recording in memory or an opened input.
        config: all settings.
        engines: your own engines; a slot that is left out is filled as the configuration says.
        progress: told how far the work is.

    Returns:
        The graph, its masks and keyframes, and the record of the run.

    Raises:
        UserError: the input or the configuration cannot be used.
        FastSnowError: an engine failed.

    Examples:
        >>> result = fast_snow.build_graph("recording")  # or a video file
        >>> result.graph
        SceneGraph(4 frames, t 0-3, 0.00-0.30 s, 8 tracks, 27 observations, metric, 1 keyframe)
        >>> result.graph.tracks[1]
        Track(object 1, 4 observations, t 0-3)
        >>> result.record["engines"]["geometry"]["name"]
        'recorded'
    """
    spill = output.Spill()

    def keep(step: Step) -> None:
        spill.add(step.state.labelled, step.keyframes)

    began = perf_counter()
    with collected_warnings(show=True) as noticed:
        opened, origin = _opened(source, config)
        selection = select_engines(opened, config, engines, progress=progress)
        summary = summarize_run(steps(opened, selection, config, progress=progress), config, keep, began=began)
        noted = record(opened, config, selection.used, summary, warnings=noticed, origin=origin)
    return Result(graph=summary.graph, labelled=spill.labelled, keyframes=spill.keyframes, record=noted)


def stream(
    source: str | Path | Recording | Input,
    *,
    config: Config = Config(),
    engines: Engines = Engines(),
    progress: Progress = silent,
) -> Iterator[SceneGraph]:
    """Yield the view `M_t` of every frame as the graph grows, window by window.

    Args:
        source: a video file, a recording folder, a recording in memory or an opened input.
        config: all settings; `step.temporal_window` and `step.window_stride` shape the view.
        engines: your own engines; a slot that is left out is filled as the configuration says.
        progress: told how far the work is.

    Yields:
        One view per clip frame, in order.

    Raises:
        UserError: the input or the configuration cannot be used.
        FastSnowError: an engine failed.

    Examples:
        >>> for view in fast_snow.stream("recording"):
        ...     print(view.ego.t[-1], len(view.tracks))
        0 7
        1 7
        2 8
        3 8
    """
    opened = open_input(source, config.sampling, config.source)
    selection = select_engines(opened, config, engines, progress=progress)
    for step in steps(opened, selection, config, progress=progress):
        for frame in step.state.labelled:
            yield step.state.graph.window(
                t=frame.t, length=config.step.temporal_window, stride=config.step.window_stride
            )


def load(folder: str | Path) -> SceneGraph:
    """Read the graph of a run.

    Args:
        folder: of the run, or a `4dsg.json` file.

    Returns:
        The graph, bit for bit as it was written.

    Raises:
        InputError: there is none, or it is not valid.

    Examples:
        >>> graph = fast_snow.load("out/scene")
        >>> graph.ego
        Ego(4 poses, t 0-3, 0.00-0.30 s, path of 3.55)
    """
    path = Path(folder).expanduser()
    return graph_json.read_graph(path / output.GRAPH, within=path) if path.is_dir() else graph_json.read_graph(path)


def steps(
    source: Input, selection: Selection, config: Config, *, progress: Progress = silent, memory: Memory | None = None
) -> Iterator[Step]:
    """Run the pipeline that a configuration describes; yields the graph after each window.

    Args:
        source: the opened input.
        selection: the engines.
        config: all settings.
        progress: told how far the work is.
        memory: what a dead run left, and where this one stores the same; windows that it folded are not yielded again.

    Warns:
        FastSnowWarning: after the last window, of what makes the result doubtful, such as no tracks.
    """
    threads.limit(config.runtime.threads)
    with resident(selection.engines) if selection.resident else nullcontext(selection.engines) as engines:
        pipeline = Pipeline(
            perceive=lambda window, watch: perceive(window, engines=engines, config=config, progress=watch),
            picture=partial(
                keyframes.encode, every=config.output.keyframe_every, jpeg_quality=config.output.jpeg_quality
            ),
            fold=partial(fold, config=config),
            start=start(config),
            queue_length=config.runtime.queue_length,
        )
        cut = windows(source, config.window)
        if memory is not None:
            pipeline, cut = memory.attached(pipeline), islice(cut, memory.folded, None)
        state = pipeline.start
        for step in run(pipeline, cut, progress=progress):
            yield step
            state = step.state
    for message in doubts(state.graph, state.health, min_points=config.depth_filter.min_points):
        warnings.warn(message, FastSnowWarning, stacklevel=2)


@contextmanager
def collected_warnings(*, show: bool) -> Iterator[list[str]]:
    """Collect what was worked around while the block runs.

    Args:
        show: whether the warnings are also shown as Python warnings.

    Yields:
        The messages, each once, in order.
    """
    messages: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("always", FastSnowWarning)
        shown = warnings.showwarning

        def notice(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            known = issubclass(category, FastSnowWarning)
            if known and str(message) not in messages:
                messages.append(str(message))
            if show or not known:
                shown(message, category, filename, lineno, file, line)

        warnings.showwarning = notice
        yield messages


def _opened(source: str | Path | Recording | Input, config: Config) -> tuple[Input, output.SourceOfRun | None]:
    given = located(source)
    return open_input(given, config.sampling, config.source), output.source_of_run(given) if isinstance(
        given, Path
    ) else None
