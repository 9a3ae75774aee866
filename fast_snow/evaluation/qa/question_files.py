"""Question files: detection of their dataset, and reading."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fast_snow.errors import InputError
from fast_snow.evaluation import manifest as manifests
from fast_snow.evaluation.ground_truth import TruthKind
from fast_snow.evaluation.qa.dataset import Dataset, DatasetRow, load_rows, unique_names
from fast_snow.evaluation.qa.nuscenes_qa import NUSCENES_QA
from fast_snow.evaluation.qa.question import Question
from fast_snow.evaluation.qa.robospatial import ROBOSPATIAL
from fast_snow.evaluation.qa.vlm4d import VLM4D
from fast_snow.evaluation.qa.vsi_bench import VSI_BENCH
from fast_snow.evaluation.readers.data_files import locate_data

DATASETS: Final = (VLM4D, VSI_BENCH, NUSCENES_QA, ROBOSPATIAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionFiles:
    """What some files ask, in their order, and the folder of the scenes' videos where they tell it.

    Rows without a question or an answer are left out, as by the official code. Hopeless are the keys of questions whose
    true answer nobody can give, such as one that is no choice; they count.
    """

    dataset: Dataset
    files: tuple[Path, ...]
    asked: tuple[Question, ...]
    left_out: int
    hopeless: tuple[str, ...]
    videos: Path | None


def read_questions(paths: Sequence[Path], root: Path) -> QuestionFiles:
    """Read question files of one dataset, which the first row of each tells, or a manifest that names such files.

    Paths of a manifest, and its clips' videos, lie below `root`.

    Raises:
        InputError: a file cannot be read, is of no known dataset or of another than the others, or a row of it is
            malformed, and one line names the place.
    """
    sources = [load_rows(path) for path in paths]
    from_manifest = len(sources) == 1 and "clips" in sources[0][0].values
    if from_manifest:
        sources = [load_rows(path) for path in _named_in(paths[0], root)]
    datasets = [_dataset(rows[0]) for rows in sources]
    dataset = datasets[0]
    for rows, other in zip(sources, datasets, strict=True):
        if other is not dataset:
            expected = f"{dataset.name} like {sources[0][0].path}"
            raise InputError(f"{rows[0].path}: questions of {other.name}, expected {expected}; ask one at a time")
    every_row = [row for rows in sources for row in rows]
    complete = [row for row in every_row if dataset.complete(row)]
    keys = unique_names(dataset.key(row) for row in complete)
    asked = tuple(dataset.question(row, key) for row, key in zip(complete, keys, strict=True))
    return QuestionFiles(
        dataset=dataset,
        files=tuple(rows[0].path for rows in sources),
        asked=asked,
        left_out=len(every_row) - len(complete),
        hopeless=tuple(each.key for each in asked if dataset.hopeless(each)),
        videos=root if from_manifest else None,
    )


def _named_in(manifest: Path, root: Path) -> tuple[Path, ...]:
    """Return the question files of known datasets that a manifest names, each once: clips may share one."""
    names = {each.name for each in DATASETS}
    sources = (each for clip in manifests.load_manifest(manifest, root).clips for each in clip.truth)
    paths = [each.path for each in sources if each.kind is TruthKind.QUESTIONS and each.format in names]
    if not paths:
        raise InputError(f"{manifest}: names no questions of {', '.join(sorted(names))}, expected some")
    return tuple(locate_data(root, path) for path in dict.fromkeys(paths))


def _dataset(row: DatasetRow) -> Dataset:
    for each in DATASETS:
        if each.members <= row.values.keys():
            return each
    known = "; ".join(f"{each.name}: {', '.join(sorted(each.members))}" for each in DATASETS)
    raise InputError(f"{row.where}: is no question of a known dataset, expected one with ({known})")
