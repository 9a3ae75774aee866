"""RoboSpatial-Home in its published format."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import Delaunay

from fast_snow.errors import InputError
from fast_snow.evaluation.qa.grading import estimate_scores, grade_recorded, mark_reply
from fast_snow.evaluation.qa.question import Form
from fast_snow.evaluation.qa.robospatial import ROBOSPATIAL, first_point, inside_polygon, polygon
from tests.evaluation.qa.files import SQUARE, given, pointing_row, robospatial_row, store


def questions(tmp_path: Path, *rows):
    return given(store(tmp_path / "annotations.json", list(rows)))


def test_published_rows(tmp_path: Path):
    binary, points = questions(tmp_path, robospatial_row(), pointing_row()).asked
    assert (binary.form, points.form) == (Form.YES_NO, Form.POINTS)
    assert (points.scene, points.video) == ("images/img_context_0", "images/img_context_0.png")


@pytest.mark.parametrize(
    ("truth", "said", "score"),
    [
        *(("no", "No.", 1), ("no", "no, it is right of it", 1), ("no", "not sure", 1), ("no", "Answer: no", 0)),
        *(("Yes", "yes", 1), ("Yes", "YES!", 1), ("yes", "no", 0), ("yes", "", 0), ("no", "", 0)),
    ],
)
def test_yes_and_no_by_how_an_answer_begins(tmp_path: Path, truth, said, score):
    question = questions(tmp_path, robospatial_row(answer=truth)).asked[0]
    assert ROBOSPATIAL.score(question, said).score == score


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("[(0.5, 0.6), (0.1, 0.1)]", (0.5, 0.6)),
        ("(0.5,0.6)", (0.5, 0.6)),
        ("[0.5, 0.6]", (0.5, 0.6)),
        ("[[0.1, 0.2]] or rather (0.5, 0.6)", (0.5, 0.6)),
        ("The space is at [(0.5, 0.6), (0.7", (0.5, 0.6)),
        ("[(1, 0)]", (1, 0)),
        ("[(.5, .6)]", (0.5, 0.6)),
        ("[.5, 6e-1]", (0.5, 0.6)),
        ("[(-0.5, 0.6)]", (-0.5, 0.6)),
        ("(.5, .6)", None),
        ("[(-0.5, 0.6, 1)]", None),
        ("[]", None),
        ("['a', 'b']", None),
        ("x = 0.5, y = 0.6", None),
        (f"[{'(' * 3000}]", None),
        (f"[-{'9' * 4000}, 1]", None),
        ("", None),
    ],
)
def test_the_first_point_of_an_answer(text, point):
    assert first_point(text) == point


@pytest.mark.parametrize(
    ("reply", "score"),
    [
        ("[(0.5, 0.5)]", 1),
        ("Left of object 3.\nfinal answer: [(0.5, 0.5)]", 1),
        ("I first thought of (0.1, 0.1).\nfinal answer: [(0.5, 0.5)]", 1),
        ("final answer: [(0.9, 0.5), (0.5, 0.5)]", 0),
        ("final answer: [\n(0.5, 0.5),\n(0.6, 0.6)]", 1),
        ("[(500, 500)]", 0),
        ("no idea", 0),
    ],
)
def test_points_are_right_inside_the_polygon(tmp_path: Path, reply, score):
    question = questions(tmp_path, pointing_row()).asked[0]
    assert mark_reply(ROBOSPATIAL, question, reply).score == score


def test_inside_a_convex_polygon_is_inside_its_hull():
    rng = np.random.default_rng(0)
    angle = np.sort(rng.random(9)) * 2 * np.pi
    corners = np.stack([0.5 + 0.4 * np.cos(angle), 0.5 + 0.4 * np.sin(angle)], axis=1)
    points = rng.random((500, 2))
    hull = Delaunay(corners).find_simplex(points) >= 0
    found = [inside_polygon(tuple(each), [tuple(corner) for corner in corners.tolist()]) for each in points.tolist()]
    assert found == hull.tolist()
    assert 0 < sum(found) < len(found)


def test_a_dent_is_outside():
    dented = polygon("[(0, 0), (1, 0), (1, 1), (0.5, 0.2), (0, 1)]")
    assert inside_polygon((0.1, 0.5), dented)
    assert not inside_polygon((0.5, 0.5), dented)


def test_rows_without_question_or_answer_are_counted(tmp_path: Path):
    found = questions(tmp_path, robospatial_row(question=""), robospatial_row(answer=None), robospatial_row())
    assert (len(found.asked), found.left_out) == (1, 2)


@pytest.mark.parametrize("answer", ["maybe", "[(0.1, 0.1), (0.2, 0.2)]", "[(0, 0), (1, 0), 'x']", "[(0, 0"])
def test_a_truth_nobody_can_give_counts_as_wrong_and_is_told(tmp_path: Path, answer):
    found = questions(tmp_path, pointing_row(answer=answer))
    assert found.hopeless == (found.asked[0].key,)
    assert ROBOSPATIAL.score(found.asked[0], "[(0.1, 0.1)]").score == 0


def test_recorded_answers_belong_by_question_and_image(tmp_path: Path):
    rows = [
        *(robospatial_row(), robospatial_row(img="images/other.png"), robospatial_row(question="Is it blue?")),
        *(pointing_row(), pointing_row()),
    ]
    found = questions(tmp_path, *rows).asked
    said = [
        *(robospatial_row(answer="yes"), robospatial_row(answer="no"), robospatial_row(question="Is it red?")),
        *(robospatial_row(img="images/other.png", answer=""), pointing_row(answer="[(0.5, 0.5)]")),
    ]
    path = store(tmp_path / "mine.json", said)
    column = grade_recorded(ROBOSPATIAL, found, ROBOSPATIAL.answers([path], found)[0])
    assert [each.mark.score for each in column.graded] == [1, 0, 1, 1]  # the last of equal answers; for equal rows
    assert (column.missing, column.unused, column.unreadable) == (1, 1, 1)
    figures = {each.name: (each.points, each.questions) for each in _figures(column)}
    assert figures == {"configuration": (1, 2), "context": (2, 2), "overall": (3, 4)}


def _figures(column):
    answered = [each.question for each in column.graded]
    return estimate_scores(ROBOSPATIAL.figures(answered), answered, [each.mark.score for each in column.graded])


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"answer": [0.1]}, "row 2: answer is an array of 1, expected text"),
        ({"img": None}, "row 2: img is null, expected text"),
        ({"img": "/etc/passwd"}, "row 2: got the path '/etc/passwd', expected one below"),
        ({"category": 3}, "row 2: category is 3, expected text"),
        ({"question": {"a": 1}}, "row 2: question is an object of 1, expected text"),
    ],
)
def test_a_malformed_row_is_named(tmp_path: Path, changes, complaint):
    with pytest.raises(InputError, match=complaint):
        questions(tmp_path, robospatial_row(), robospatial_row(**changes))


def test_the_polygon_of_a_published_answer():
    assert polygon(SQUARE) == ((0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8))
