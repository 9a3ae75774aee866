"""Question files: the known datasets, and which of them the files belong to."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fast_snow.errors import InputError
from fast_snow.evaluation import manifest as manifests
from fast_snow.evaluation.ground_truth import TruthKind
from fast_snow.evaluation.qa.dataset import Dataset, DatasetFile, Questions, load_rows
from fast_snow.evaluation.qa.nuscenes_qa import NUSCENES_QA
from fast_snow.evaluation.qa.robospatial import ROBOSPATIAL
from fast_snow.evaluation.qa.vlm4d import VLM4D
from fast_snow.evaluation.qa.vsi_bench import VSI_BENCH
from fast_snow.evaluation.readers.data_files import locate_data

DATASETS: Final = (VLM4D, VSI_BENCH, NUSCENES_QA, ROBOSPATIAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionFiles:
    """What some files ask.

    Attributes:
        dataset: whose questions they are.
        files: those with questions.
        questions: all of them.
        videos: the folder in which the scenes' videos lie; None where only the user can tell.
    """

    dataset: Dataset
    files: tuple[Path, ...]
    questions: Questions
    videos: Path | None


def read_questions(paths: Sequence[Path], root: Path) -> QuestionFiles:
    """Read question files of one dataset, which the first row of each tells, or a manifest that names such files.

    Args:
        paths: of the question files, or of one manifest.
        root: the data root of a manifest; its clips' videos lie below it.

    Raises:
        InputError: a file cannot be read, is of no known dataset or of another than the others, or a row of it is
            malformed, and one line names the place.
    """
    sources = [load_rows(path) for path in paths]
    from_manifest = len(sources) == 1 and "clips" in sources[0].rows[0].values
    if from_manifest:
        sources = [load_rows(path) for path in _named_in(sources[0].path, root)]
    datasets = [_dataset(each) for each in sources]
    for source, dataset in zip(sources, datasets, strict=True):
        if dataset is not datasets[0]:
            expected = f"{datasets[0].name} like {sources[0].path}"
            raise InputError(f"{source.path}: questions of {dataset.name}, expected {expected}; ask one at a time")
    return QuestionFiles(
        dataset=datasets[0],
        files=tuple(each.path for each in sources),
        questions=datasets[0].read(sources),
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


def _dataset(source: DatasetFile) -> Dataset:
    members = set(source.rows[0].values)
    for each in DATASETS:
        if each.members <= members:
            return each
    known = "; ".join(f"{each.name}: {', '.join(sorted(each.members))}" for each in DATASETS)
    raise InputError(f"{source.rows[0].where}: is no question of a known dataset, expected one with ({known})")
