"""NuScenes-QA in its published format."""

from pathlib import Path

import pytest

from fast_snow.errors import InputError
from fast_snow.evaluation.qa.grading import estimate_scores, grade_recorded, mark_reply
from fast_snow.evaluation.qa.nuscenes_qa import NUSCENES_QA, WORDS
from fast_snow.evaluation.qa.question import wording
from tests.evaluation.qa.files import given, nuscenes_row, store


def asked(tmp_path: Path, *rows):
    content = {"info": {"version": "v1.0"}, "questions": list(rows)}
    return given(store(tmp_path / "NuScenes_val_questions.json", content)).asked


def test_a_published_row(tmp_path: Path):
    (read,) = asked(tmp_path, nuscenes_row())
    assert (read.scene, read.video, read.category) == ("ca9a282c9e77460f8360f564131a8af5", None, "exist_0")
    assert len(WORDS) == 30
    assert "construction vehicle" in wording(read)


@pytest.mark.parametrize(
    ("answer", "reply", "score"),
    [
        *(
            ("yes", "final answer: Yes.", 1),
            ("yes", "yes", 1),
            ("yes", "final answer: no", 0),
            ("yes", "Surely yes", 0),
        ),
        *((3, "final answer: 3", 1), ("3", "**3**", 1), (3, "final answer: three", 0), (3, "final answer: 3.0", 0)),
        ("construction vehicle", "final answer:  Construction  Vehicle", 1),
        *(("not standing", "final answer: standing", 0), ("car", "final answer: cars", 0)),
    ],
)
def test_answers_match_letter_by_letter(tmp_path: Path, answer, reply, score):
    (question,) = asked(tmp_path, nuscenes_row(answer=answer))
    assert mark_reply(NUSCENES_QA, question, reply).score == score


def test_figures_by_type_and_hops(tmp_path: Path):
    kinds = [("exist", 0), ("exist", 1), ("exist", 1), ("count", 0)]
    found = asked(tmp_path, *(nuscenes_row(template_type=kind, num_hop=hops) for kind, hops in kinds))
    figures = {each.name: (each.points, each.questions) for each in _figures(found, [1, 0, 1, 0])}
    assert figures == {
        "count": (0, 1),
        "count_0": (0, 1),
        "exist": (2, 3),
        "exist_0": (1, 1),
        "exist_1": (1, 2),
        "overall": (2, 4),
    }


def _figures(questions, scores):
    return estimate_scores(NUSCENES_QA.figures(questions), questions, [float(each) for each in scores])


def test_results_as_the_official_code_writes_them(tmp_path: Path):
    row = nuscenes_row()
    found = asked(tmp_path, row, row, nuscenes_row(sample_token="b", answer=2))
    line = "    ".join((row["sample_token"], row["question"], "{}", "yes"))
    result = tmp_path / "result.txt"
    result.write_text(f"{line.format('yes')}\n{line.format('no')}\nelsewhere    Is it?    yes    no\n")
    column = grade_recorded(NUSCENES_QA, found, NUSCENES_QA.answers([result], found)[0])
    assert [each.mark.score for each in column.graded] == [1, 0]  # equal questions take answers in their order
    assert (column.missing, column.unused) == (1, 1)


def test_a_broken_line_of_results_is_named(tmp_path: Path):
    found = asked(tmp_path, nuscenes_row())
    result = tmp_path / "result.txt"
    result.write_text("a    b    c    d\na b c d\n")
    with pytest.raises(
        InputError, match=r"result\.txt, line 2: has 1 fields, expected sample, question, answer and truth"
    ):
        NUSCENES_QA.answers([result], found)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"num_hop": "one"}, 'row 2: num_hop is "one", expected a whole number'),
        ({"answer": None}, "row 2: answer is null, expected text or a number"),
        ({"answer": {"a": 1}}, "row 2: answer is an object of 1"),
        ({"sample_token": 12}, "row 2: sample_token is 12, expected text"),
        ({"template_type": ""}, "row 2: template_type is empty"),
    ],
)
def test_a_malformed_row_is_named(tmp_path: Path, changes, complaint):
    with pytest.raises(InputError, match=complaint):
        asked(tmp_path, nuscenes_row(), nuscenes_row(**changes))
