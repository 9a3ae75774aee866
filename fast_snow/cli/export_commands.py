"""The commands that check, show and carry on a run: pages, formats of other tools, another run beside it, metres."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from fast_snow.cli.options import Debug, Json, RunFolder, expanded
from fast_snow.errors import InputError

if TYPE_CHECKING:
    from fast_snow.reasoning.run_difference import ObjectChange
    from fast_snow.viewing.rerun_recording import ShownRun

FormatName = Literal[
    "coco",
    "youtube-vis",
    "mot",
    "mots",
    "kitti",
    "spark-dsg",
    "parquet",
    "csv",
    "glb",
    "ply",
    "graphml",
    "rerun",
]


@dataclass(frozen=True, kw_only=True)
class Validate:
    """Check a 4dsg.json against its schema and for consistency."""

    file: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="4DSG.JSON")]
    """The document, or the folder that infer wrote."""
    debug: Debug = False

    def run(self) -> int:
        """Print how much a valid document holds."""
        from fast_snow.api import load

        graph = load(self.file)
        observations = sum(len(track.observations) for track in graph.tracks.values())
        print(f"valid: {len(graph.tracks)} tracks with {observations} observations in {graph.num_frames} frames")
        return 0


@dataclass(frozen=True, kw_only=True)
class View:
    """Write a self-contained HTML page of a run: frames with object outlines, top view, table of tracks.

    With --rerun or --rerun-save, the run goes to the Rerun viewer or its file instead: video, outlines, camera, extents
    and trails on one timeline.
    """

    out: RunFolder
    page: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Output path of the page (default: OUT/view.html); files not written by view are never overwritten."""
    video: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Draw on this video or recording instead of the input of the run."""
    open: bool = False
    """Open the page in the browser."""
    rerun: bool = False
    """Show the run in the Rerun viewer (extra `view`)."""
    rerun_save: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Write a recording for the Rerun viewer to this file (.rrd), which must not exist."""
    debug: Debug = False

    def run(self) -> int:
        """Write the page and print its path, or go to Rerun."""
        from fast_snow import output
        from fast_snow.api import load
        from fast_snow.cli.clip_images import clip_images, keyframe_depths
        from fast_snow.reasoning.tools.movement_table import movement_table
        from fast_snow.viewing import html

        page = expanded(self.page) if self.page else self.out / "view.html"
        to_rerun = self.rerun or self.rerun_save is not None
        if self.rerun and self.rerun_save is not None:
            raise InputError("view: got --rerun and --rerun-save, expected one; `rerun FILE` shows a file")
        if not to_rerun:
            html.require_writable(page)
        graph, record = load(self.out), output.read_record(self.out)
        images, origin = clip_images(self.out, graph, record, video=self.video and expanded(self.video))
        masks, depths = output.read_masks(self.out), keyframe_depths(self.out, graph)
        if to_rerun:
            from fast_snow.viewing.rerun_recording import ShownRun

            self._to_rerun(ShownRun(graph=graph, masks=masks, images=images, depths=depths, record=record))
            return 0
        moves = movement_table(graph)
        html.write_page(page, html.render_run_page(graph, masks, images, record, origin, moves, depths))
        print(page)
        if self.open:
            import webbrowser

            webbrowser.open(page.resolve().as_uri())
        return 0

    def _to_rerun(self, run: "ShownRun") -> None:
        from fast_snow.atomic_files import store
        from fast_snow.formats import require_free
        from fast_snow.viewing import rerun_recording

        if self.rerun_save is None:
            rerun_recording.show(run)
            return
        path = expanded(self.rerun_save)
        require_free(path)
        store(path, rerun_recording.rrd(run))
        print(path)


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write a run in a format of another tool; docs/exporting.md says what each carries and loses.

    coco, youtube-vis: masks (RLE). mot, mots, kitti: tracks in the image. spark-dsg: a dynamic scene graph.
    parquet, csv: tables. glb, ply: the scene in 3D. graphml: objects and relations. rerun: a recording to look at.
    """

    out: RunFolder
    to: FormatName
    """The format."""
    path: Annotated[Path | None, tyro.conf.arg(aliases=("-o",), metavar="PATH")] = None
    """Output file, or folder for parquet and csv (default: OUT/export/FORMAT.SUFFIX); never written over."""
    relations_at: Annotated[int | None, tyro.conf.arg(metavar="T")] = None
    """Frame whose distances and directions graphml holds as edges (default: no edges)."""
    video: Annotated[Path | None, tyro.conf.arg(metavar="PATH")] = None
    """Show this video or recording in rerun instead of the input of the run."""
    debug: Debug = False

    def run(self) -> int:
        """Write the files and print their paths.

        Raises:
            InputError: the run is missing or damaged, or lacks what the format holds.
            EngineError: the format's package is not installed.
            OutputError: a file is in the way, or cannot be written.
        """
        from fast_snow import output
        from fast_snow.api import load
        from fast_snow.cli.clip_images import clip_images, keyframe_depths
        from fast_snow.formats import FORMATS, ExportSource, export, require_free

        path = self.path or self.out / "export" / f"{self.to}{FORMATS[self.to].suffix}"
        require_free(path)
        graph = load(self.out)
        record = output.read_record(self.out) if (self.out / output.RECORD).is_file() else {}
        source = ExportSource(
            graph=graph,
            masks=lambda: output.read_masks(self.out),
            images=lambda: clip_images(self.out, graph, record, video=self.video)[0],
            depths=lambda: keyframe_depths(self.out, graph),
            record=record,
            relations_at=self.relations_at,
        )
        if self.path is None:
            path.parent.mkdir(exist_ok=True)
        for written in export(source, self.to, path):
            print(written)
        return 0


@dataclass(frozen=True, kw_only=True)
class Diff:
    """Tell what appeared, vanished and moved between two runs of one place.

    Both worlds must be the same: in metres, and from the same first camera. Objects are matched by place and size.
    """

    before: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="A")]
    """The folder of the earlier run."""
    after: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="B")]
    """The folder of the later run."""
    json: Json = False
    debug: Debug = False

    def run(self) -> int:
        """Print the changes.

        Raises:
            InputError: a run is missing or damaged, or the worlds are not comparable.
        """
        from fast_snow.api import load
        from fast_snow.reasoning.run_difference import run_difference

        changes = run_difference(load(self.before), load(self.after))
        if self.json:
            print(json.dumps({"unit": "m", "changes": [asdict(each) for each in changes]}))
        else:
            print("\n".join(_lines(changes)))
        return 0


@dataclass(frozen=True, kw_only=True)
class Rescale:
    """Bring the graph of a run to metres by lengths that you know.

    A statement is "object 3 extent y = 0.75 m ± 0.01", "distance 3 7 at 12 = 1.2 m" (objects 3 and 7 in frame 12) or
    "camera 0 40 = 2.5 m" (between the camera's places in two frames). Axes are those of the world: x right, y down, z
    forward; extents are of the visible side. Without ±, half of the last digit is taken.
    """

    out: RunFolder
    statements: Annotated[tyro.conf.Positional[tuple[str, ...]], tyro.conf.arg(metavar="STATEMENT")]
    """Lengths in mm, cm or m; those that contradict each other are refused."""
    debug: Debug = False

    def run(self) -> int:
        """Write the new graph into OUT and print the scale.

        Raises:
            InputError: a statement cannot be read or measured, statements contradict each other, or the run is damaged.
            OutputError: OUT cannot be written, or its files were changed.
        """
        from fast_snow import output
        from fast_snow.api import load
        from fast_snow.reasoning.metric_scale import scale_of
        from fast_snow.scaling import rescaled

        graph = load(self.out)
        scale = scale_of(graph, self.statements)
        output.replace_graph(self.out, rescaled(graph, scale), {"scale": [*self.statements]})
        print(f"scale    {scale.metres_per_unit:.4g} m per unit ± {100 * scale.relative_sigma:.2g} %")
        return 0


def _lines(changes: "Sequence[ObjectChange]") -> list[str]:
    """Return the changes one a line, those that stayed summed up."""
    from fast_snow.reasoning.run_difference import Change

    lines = []
    for each in changes:
        if each.change is Change.SAME:
            continue
        object_id = each.before if each.before is not None else each.after
        renamed = f" (now object {each.after})" if None not in (each.before, each.after) else ""
        run = "A" if each.before is not None else "B"
        moved = "" if each.distance is None else f" by {each.distance:.2f} ± {each.sigma:.2f} m, {each.grade}"
        beyond = f": seen in {run}, never in view in the other run" if each.change is Change.OUT_OF_VIEW else ""
        lines.append(f"object {object_id} of {run}{renamed}: {each.change}{moved}{beyond}")
    same = sum(each.change is Change.SAME for each in changes)
    return [*lines, f"{same} of {len(changes)} objects in the same place within the noise"]
