"""Limits on what comes from outside: files, images, archives and documents that a stranger may have written.

`docs/reference/limits.md` is made from this table (`python -m fast_snow.limits`).
"""

from dataclasses import dataclass
from typing import Final

KIB: Final = 2**10
MIB: Final = 2**20
GIB: Final = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """The largest size of something from outside.

    Attributes:
        name: what is limited, as messages and the table call it.
        largest: the largest allowed value.
        unit: of `largest`; "bytes" for files.
        reason: why it suffices.
    """

    name: str
    largest: int
    unit: str
    reason: str


GRAPH_FILE: Final = Limit(
    name="4dsg.json", largest=4 * GIB, unit="bytes", reason="an hour at 10 Hz with 50 objects in view takes about 1 GiB"
)
RUN_RECORD_FILE: Final = Limit(name="run.json", largest=8 * MIB, unit="bytes", reason="a usual one has 10 kB")
SMALL_JSON_FILE: Final = Limit(
    name="JSON beside images, weights and compiled networks", largest=MIB, unit="bytes", reason="a usual one has 1 kB"
)
CHECKPOINT_JSON_FILE: Final = Limit(
    name="JSON of a checkpoint", largest=64 * MIB, unit="bytes", reason="the largest known vocabulary has 17 MB"
)
SAFETENSORS_HEADER: Final = Limit(
    name="headers of .safetensors", largest=4 * MIB, unit="bytes", reason="ten thousand tensors take 1 MB"
)
CHECKPOINT_PICKLE: Final = Limit(
    name="pickles in .pt", largest=64 * MIB, unit="bytes", reason="a thousand layers take less than 1 MB"
)
CHECKPOINT_MODULES: Final = Limit(
    name="modules of a checkpoint", largest=10_000, unit="modules", reason="FastSAM has about 400"
)
DATASET_JSON_FILE: Final = Limit(
    name="manifests, annotations and question files", largest=GIB, unit="bytes", reason="the largest known has 0.5 GB"
)
EPISODE_TABLE_FILE: Final = Limit(
    name="tables of episodes (.parquet)", largest=256 * MIB, unit="bytes", reason="a thousand episodes take 1 MB"
)
ANNOTATED_FRAMES: Final = Limit(
    name="annotated frames of a clip", largest=36_000, unit="frames", reason="20 minutes at 30 Hz"
)
PRESET_FILE: Final = Limit(name="presets", largest=MIB, unit="bytes", reason="all settings together take 10 kB")
TABLE_FILE: Final = Limit(
    name="text tables: poses, lists of images, tracks", largest=256 * MIB, unit="bytes", reason="a million lines"
)
TABLE_LINES: Final = Limit(
    name="lines of a text table", largest=2_000_000, unit="lines", reason="an hour of poses at 500 Hz"
)
IMAGE_FILE: Final = Limit(name="image files", largest=256 * MIB, unit="bytes", reason="50 megapixels without loss")
IMAGE_PIXELS: Final = Limit(
    name="pixels of an image", largest=50_000_000, unit="pixels", reason="8K video has 33 million, phones up to 50"
)
MASKS_FILE: Final = Limit(
    name="masks/NNNNNN.npz", largest=256 * MIB, unit="bytes", reason="a window of 120 frames takes about 1 MB"
)
MASKS_UNPACKED: Final = Limit(
    name="masks/NNNNNN.npz, unpacked", largest=128 * MIB, unit="bytes", reason="120 frames of 200 objects take 50 MB"
)
PERCEPTION_FILE: Final = Limit(
    name="perception/NNNNNN.npz, and what a run resumes from",
    largest=4 * GIB,
    unit="bytes",
    reason="a window of 120 frames at 504x378 takes 100 MB",
)
PERCEPTION_UNPACKED: Final = Limit(
    name="the same, unpacked", largest=8 * GIB, unit="bytes", reason="120 frames of 1920x1080 take 2 GB"
)
ARRAY_FILE: Final = Limit(
    name="arrays (.npy)", largest=512 * MIB, unit="bytes", reason="50 megapixels of depth in 64 bits"
)
REPLY: Final = Limit(name="replies of servers", largest=64 * MIB, unit="bytes", reason="an answer has some kB")
JSON_DEPTH: Final = Limit(name="nesting of JSON", largest=64, unit="levels", reason="no document of ours passes 10")
JSON_INTEGER: Final = Limit(
    name="integers in JSON and TOML", largest=2**63 - 1, unit="in magnitude", reason="they fit 64 bits"
)
PATH_LENGTH: Final = Limit(
    name="paths inside documents", largest=1024, unit="characters", reason="systems allow 1,024 to 4,096 bytes"
)


def table() -> str:
    """Return all limits as a page in Markdown."""
    every = [each for each in globals().values() if isinstance(each, Limit)]
    rows = "".join(f"| {each.name} | {_text(each)} | {each.reason} |\n" for each in every)
    return f"{_INTRODUCTION}\n\n| what | at most | because |\n|---|---|---|\n{rows}"


def _text(limit: Limit) -> str:
    if limit.unit == "bytes":
        size, unit = next(
            (size, unit) for size, unit in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")) if limit.largest >= size
        )
        return f"{limit.largest // size} {unit}"
    return f"{limit.largest:,} {limit.unit}"


_INTRODUCTION: Final = """# Limits

Videos, recordings, run folders, presets, manifests, question files and weights may come from strangers. Each is opened
as a regular file (no FIFO, device or folder), a run's files only inside its folder, and refused in one line before more
than this is read or allocated:"""

if __name__ == "__main__":
    print(table(), end="")
