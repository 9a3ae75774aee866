"""Which dataset files are of, from files or from a manifest."""

import json
from pathlib import Path

import pytest

from fast_snow.errors import InputError
from fast_snow.evaluation.ground_truth import TruthKind
from fast_snow.evaluation.qa.question_files import DATASETS, read_questions
from fast_snow.evaluation.readers.clip_truth import TRUTH_FORMATS
from tests.evaluation.qa.files import given, nuscenes_row, robospatial_row, store, vlm4d_row, vsi_row

MANIFEST = Path(__file__).resolve().parents[3] / "configs" / "eval" / "fast_snow_eval_manifest.json"
ROWS = {
    "vlm4d": vlm4d_row(),
    "vsi-bench": vsi_row(),
    "nuscenes-qa": nuscenes_row(),
    "robospatial-home": robospatial_row(),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_file_tells_its_dataset(tmp_path: Path, name):
    for path in (tmp_path / "rows.json", tmp_path / "rows.jsonl"):
        assert given(store(path, [ROWS[name]])).dataset.name == name


def test_every_dataset_is_a_format_of_manifests():
    assert {each.name for each in DATASETS} == set(ROWS) <= set(TRUTH_FORMATS[TruthKind.QUESTIONS])


def test_one_dataset_at_a_time(tmp_path: Path):
    paths = [store(tmp_path / "a.json", [vlm4d_row()]), store(tmp_path / "b.json", [vsi_row()])]
    with pytest.raises(InputError, match=r"b\.json: questions of vsi-bench, expected vlm4d like .*a\.json"):
        given(*paths)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ([], "has no rows, expected questions or answers"),
        ({"questions": []}, "has no rows"),
        ({"questions": 3}, "is 3, expected a list of objects"),
        ("words", 'is "words", expected a list of objects'),
        ([vlm4d_row(), 3], "row 2: is 3, expected an object"),
        ([{"a": 1}], "row 1: is no question of a known dataset, expected one with"),
        ([{"answer": "yes"}], "row 1: is no question of a known dataset"),
    ],
)
def test_what_is_no_question_file_is_one_line(tmp_path: Path, content, complaint):
    with pytest.raises(InputError, match=complaint) as caught:
        given(store(tmp_path / "real.json", content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"[{]", b"\xff\xfe", b'[{"id": 1, "id": 2}]', b"[NaN]", b"[" * 100_000])
def test_what_is_no_json_is_one_line(tmp_path: Path, data):
    path = tmp_path / "real.json"
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"real\.json: "):
        given(path)


def test_a_missing_file_is_one_line(tmp_path: Path):
    for name in ("none.json", "none.jsonl"):
        with pytest.raises(InputError, match="cannot be read"):
            given(tmp_path / name)


def test_a_manifest_names_question_files(clips: Path):
    found = read_questions([MANIFEST], clips)
    assert (found.dataset.name, len(found.asked), found.videos) == ("vlm4d", 94, clips)
    names = ("vlm4d_questions_dev.json", "vlm4d_questions_dev2.json")
    assert found.files == tuple(clips / "vqa" / name for name in names)


def test_a_manifest_without_questions_is_one_line(tmp_path: Path):
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({"version": 1, "name": "mine", "clips": [{"name": "a", "licence": "mine"}]}))
    with pytest.raises(InputError, match="names no questions of"):
        read_questions([path], tmp_path)
