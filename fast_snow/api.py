"""The Python interface: a video or a recording becomes a graph."""

import warnings
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from time import perf_counter
from typing import Any, TextIO

import markupsafe
import numpy as np
from jaxtyping import UInt8

from fast_snow import keyframes, output
from fast_snow.config import Config
from fast_snow.emptiness import doubts
from fast_snow.errors import FastSnowWarning, InputError
from fast_snow.graph import fold, start
from fast_snow.inputs import Input, open_input
from fast_snow.inputs.opening import Source, located
from fast_snow.inputs.recording import some_depth
from fast_snow.inputs.windows import windows
from fast_snow.kernels import threads
from fast_snow.keyframes import KeyframeImage
from fast_snow.output import graph_json
from fast_snow.perception import EngineOpeners, perceive
from fast_snow.pipeline import Detour, Pipeline, Step, run
from fast_snow.protocols import Progress, silent
from fast_snow.residency import resident
from fast_snow.resuming import Memory
from fast_snow.run_record import record, summarize_run
from fast_snow.scaling import views
from fast_snow.selection import Engines, Selection, select_engines
from fast_snow.types import LabelledMasks, SceneGraph, Window
from fast_snow.types.values import counted
from fast_snow.untrusted_images import decode_channel
from fast_snow.viewing import html
from fast_snow.viewing.outlines import draw_objects
from fast_snow.viewing.page_text import headline


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
        labelled = self.labelled[int(np.searchsorted(self.graph.ego.t, t))]
        return draw_objects(keyframes.decode_jpeg(self.keyframes[known.index(t)].jpeg), labelled)

    def view(self, *, height: int = 800) -> "PageFrame":
        """Return the page of `fast-snow view` on the run's keyframes; a notebook shows it in a frame.

        Args:
            height: of the frame in CSS pixels.

        Examples:
            >>> fast_snow.build_graph("recording").view()  # the last line of a cell
            PageFrame(of recording, 1 keyframe)
        """
        shown = list(zip(self.graph.keyframes, self.keyframes, strict=True))
        images = ((each.t, keyframes.decode_jpeg(image.jpeg)) for each, image in shown)
        depths = ((each.t, decode_channel(image.depth, Path(each.path))) for each, image in shown if image.depth)
        page = html.render_run_page(self.graph, self.labelled, images, self.record, "keyframes", depths=depths)
        name = f"of {headline(self.record)}, {counted(len(self.keyframes), 'keyframe')}"
        return PageFrame(page=page, height=height, name=name)

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


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PageFrame:
    """A page that notebooks show in a frame of its own, whose scripts see nothing of the notebook.

    Attributes:
        page: HTML that needs nothing else.
        height: in CSS pixels.
        name: what the frame says of itself as text.
    """

    page: str
    height: int
    name: str

    def __repr__(self) -> str:
        return f"PageFrame({self.name})"

    def _repr_html_(self) -> str:
        style = f"width:100%;height:{self.height}px;border:0"
        return f'<iframe sandbox="allow-scripts" style="{style}" srcdoc="{markupsafe.escape(self.page)}"></iframe>'


def build_graph(
    source: Source,
    *,
    config: Config = Config(),
    engines: Engines = Engines(),
    progress: Progress = silent,
) -> Result:
    """Turn a video or a recording into a 4D scene graph.

    Args:
        source: a video file, a recording folder, a recording in memory, an opened input, or what is live: `rtsp://…`,
            `camera:0`, a pipe.
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
        opened, origin = open_source(source, config)
        selection = select_engines(opened, config, engines, progress=progress)
        summary = summarize_run(steps(opened, selection, config, progress=progress), config, keep, began=began)
        noted = record(opened, config, selection.used, summary, warnings=noticed, origin=origin)
    return Result(graph=summary.graph, labelled=spill.labelled, keyframes=spill.keyframes, record=noted)


def stream(
    source: Source,
    *,
    config: Config = Config(),
    engines: Engines = Engines(),
    progress: Progress = silent,
) -> Iterator[SceneGraph]:
    """Yield the view `M_t` of every frame as the graph grows, window by window.

    Args:
        source: a video file, a recording folder, a recording in memory, an opened input, or what is live: `rtsp://…`,
            `camera:0`, a pipe.
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
    opened, _ = open_source(source, config)
    selection = select_engines(opened, config, engines, progress=progress)
    for step in steps(opened, selection, config, progress=progress):
        yield from views(step.state, [each.t for each in step.state.labelled], config.step.temporal_window, config)


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
    source: Input,
    selection: Selection,
    config: Config,
    *,
    progress: Progress = silent,
    memory: Memory | None = None,
    detour: Detour | None = None,
) -> Iterator[Step]:
    """Run the pipeline that a configuration describes; yields the graph after each window.

    With the `memory` of a dead run, windows that it folded are not yielded again. A `detour` lets others perceive them.

    Warns:
        FastSnowWarning: after the last window, of what makes the result doubtful, such as no tracks.
    """
    threads.limit(config.runtime.threads)
    with resident(selection.engines) if selection.resident else nullcontext(selection.engines) as engines:
        pipeline = _pipeline(source, engines, config)
        pipeline = pipeline if detour is None else detour.attached(pipeline)
        parts = windows(source, config.window, config.classical.geometry)
        cut: Iterator[Window] = parts
        if memory is not None:
            pipeline, cut = memory.attached(pipeline), islice(parts, memory.folded, None)
        state, cut = pipeline.start, cut if detour is None else detour.ahead(cut)
        # Both at once, whatever ends this: a live input is read by a thread, the fold is another.
        with closing(parts), closing(run(pipeline, cut, progress=progress)) as folded:
            for step in folded:
                if source.live is not None:
                    source.live.in_graph(step.state.graph.num_frames)
                yield step
                state = step.state
    for message in doubts(state.graph, state.health, min_points=config.depth_filter.min_points):
        warnings.warn(message, FastSnowWarning, stacklevel=2)


def _pipeline(source: Input, engines: EngineOpeners, config: Config) -> Pipeline:
    every, quality = config.output.keyframe_every, config.output.jpeg_quality
    return Pipeline(
        perceive=lambda window, watch: perceive(window, engines=engines, config=config, progress=watch),
        picture=partial(keyframes.encode, every=every, jpeg_quality=quality),
        fold=partial(fold, config=config, some_depth=some_depth(source.recording)),
        start=start(config),
        conf_thresh=config.depth_filter.conf_thresh,
        # What is live is shown at once; else the fold may work beside the engines.
        queue_length=config.runtime.queue_length if source.live is None else 0,
    )


@contextmanager
def collected_warnings(*, show: bool) -> Iterator[list[str]]:
    """Collect what was worked around while the block runs, each message once; `show` also shows Python's warnings."""
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


def open_source(source: object, config: Config) -> tuple[Input, output.SourceOfRun | None]:
    """Open what a run reads, and note its state where it is a file or a folder."""
    given = located(source)
    waiting = config.live.max_waiting or max(2, config.window.length - config.window.overlap)
    opened = open_input(given, config.sampling, config.source, replace(config.live, max_waiting=waiting))
    return opened, output.source_of_run(given) if isinstance(given, Path) else None
