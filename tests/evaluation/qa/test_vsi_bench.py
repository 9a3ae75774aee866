"""VSI-Bench in its published format."""

from pathlib import Path

import pytest

from fast_snow.errors import InputError
from fast_snow.evaluation.qa.grading import estimate_scores, grade_recorded, mark_reply
from fast_snow.evaluation.qa.question import Form, wording
from fast_snow.evaluation.qa.vsi_bench import VSI_BENCH
from tests.evaluation.qa.files import given, store, vsi_choice, vsi_row


def asked(tmp_path: Path, *rows, name="test.jsonl"):
    return given(store(tmp_path / name, rows)).asked


def test_published_rows(tmp_path: Path):
    number, choice = asked(tmp_path, vsi_row(0), vsi_choice(1))
    assert (number.key, number.scene, number.video) == ("0", "scannet/scene0169_01", "scannet/scene0169_01.mp4")
    assert (number.form, choice.form) == (Form.NUMBER, Form.CHOICE)
    assert "C: back-left\n" in wording(choice)


@pytest.mark.parametrize(
    ("said", "score"),
    [
        *(("4", 1.0), ("4.", 1.0), ("4.0 chairs", 1.0), ("3", 0.6), ("5", 0.6), ("2", 0.1), ("8", 0.0), ("1", 0.0)),
        *(("3.9", 1.0), ("3.7", 0.9), ("two", 0.0), ("about 4", 0.0), ("", 0.0), ("nan", 0.0), ("inf", 0.0)),
    ],
)
def test_mean_relative_accuracy_by_hand(tmp_path: Path, said, score):
    """4 taken for 3 is off by 0.25: within 1 - 0.5 … 1 - 0.75, six of ten thresholds."""
    (question,) = asked(tmp_path, vsi_row())
    assert VSI_BENCH.score(question, said).score == pytest.approx(score)


@pytest.mark.parametrize(
    ("said", "score"),
    [
        ("C", 1),
        ("c", 1),
        ("C.", 1),
        ("C. back-left", 1),
        ("C because", 1),
        ("B", 0),
        ("back-left", 0),
        ("(C)", 0),
        ("", 0),
    ],
)
def test_the_first_word_must_be_the_letter(tmp_path: Path, said, score):
    (question,) = asked(tmp_path, vsi_choice())
    assert VSI_BENCH.score(question, said).score == score


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("Counting object 3, 5, 8.\nfinal answer: **4**", 1.0),
        ("final answer: 4 chairs", 1.0),
        ("4", 1.0),
        ("I see them.\nFinal answer: about 4", 0.0),
        ("final answer:", 0.0),
    ],
)
def test_a_reply_is_scored_by_its_final_answer(tmp_path: Path, reply, score):
    (question,) = asked(tmp_path, vsi_row())
    assert mark_reply(VSI_BENCH, question, reply).score == score


def test_a_choice_in_a_reply_may_be_named_by_its_text(tmp_path: Path):
    (question,) = asked(tmp_path, vsi_choice())
    assert mark_reply(VSI_BENCH, question, "It is behind me.\nfinal answer: back-left").score == 1


def test_overall_is_the_mean_over_types_with_direction_as_one(tmp_path: Path):
    grades = [
        vsi_choice(n, question_type=f"object_rel_direction_{g}") for n, g in enumerate(("easy", "medium", "hard"))
    ]
    route = vsi_choice(3, question_type="route_planning")
    counts = [vsi_row(4), vsi_row(5), vsi_row(6)]
    found = asked(tmp_path, *grades, route, *counts)
    scores = [1.0, 0.0, 0.0, 1.0, 0.6, 0.6, 0.0]
    figures = {each.name: each.value for each in estimate_scores(VSI_BENCH.figures(found), found, scores)}
    assert figures["object_rel_direction"] == pytest.approx(1 / 3)
    assert figures["object_counting"] == pytest.approx(0.4)
    assert figures["overall"] == pytest.approx((1 / 3 + 1 + 0.4) / 3)


def test_samples_as_lmms_eval_logs_them(tmp_path: Path):
    found = asked(tmp_path, vsi_row(0), vsi_choice(1), vsi_row(2))
    logged = [
        {"doc_id": 0, "vsibench_score": vsi_row(0, prediction="3")},
        {"doc_id": 1, "vsibench_score": vsi_choice(1, prediction="C. back-left")},
        {"doc_id": 9, "vsibench_score": vsi_row(9, prediction="4")},
    ]
    plain = [{"id": 2, "prediction": 4}]
    log, short = store(tmp_path / "samples.jsonl", logged), store(tmp_path / "mine.jsonl", plain)
    columns = [grade_recorded(VSI_BENCH, found, each) for each in VSI_BENCH.answers([log, short], found)]
    assert [[each.mark.score for each in column.graded] for column in columns] == [[0.6, 1], [1]]
    assert [(each.name, each.missing, each.unused) for each in columns] == [("samples", 1, 1), ("mine", 2, 0)]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (
            vsi_row(question_type="spelling"),
            'line 2: question_type is "spelling", expected one of object_rel_direction',
        ),
        (vsi_row(ground_truth="four"), 'line 2: ground_truth is "four", expected a number above 0'),
        (vsi_row(ground_truth="-4"), "expected a number above 0"),
        (vsi_row(ground_truth="0"), "expected a number above 0"),
        (vsi_row(ground_truth=None), "line 2: ground_truth is null"),
        (vsi_choice(ground_truth="E"), 'line 2: ground_truth is "E", expected the letter of an option'),
        (vsi_choice(options=None), "line 2: options is null, expected a list"),
        (vsi_choice(options=["left", "right"]), "expected two or more like 'A. left'"),
        (vsi_choice(options=["A. left", "A. right"]), "expected two or more like 'A. left'"),
        (vsi_row(scene_name=7), "line 2: scene_name is 7, expected text"),
        ([1], "line 2: is an array of 1, expected an object"),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, row, complaint):
    with pytest.raises(InputError, match=complaint):
        asked(tmp_path, vsi_row(), row)


def test_a_line_that_is_no_json_is_named(tmp_path: Path):
    path = store(tmp_path / "test.jsonl", [vsi_row()])
    path.write_text(f"{path.read_text()}\n{{broken\n")
    with pytest.raises(InputError, match=r"test\.jsonl, line 3: .* expected JSON"):
        given(path)
