"""VLM4D in its published format, and its real answers."""

import json
from pathlib import Path

import pytest

from fast_snow.errors import InputError
from fast_snow.evaluation.qa.grading import estimate_scores, grade_recorded, mark_reply
from fast_snow.evaluation.qa.vlm4d import VLM4D
from tests.evaluation.qa.files import HUGGING, given, store, vlm4d_row


def questions(tmp_path: Path, *rows, name="real_mc.json"):
    return given(store(tmp_path / name, list(rows)))


def one(tmp_path: Path, **changes):
    return questions(tmp_path, vlm4d_row(**changes)).asked[0]


def test_a_published_row(tmp_path: Path):
    read = one(tmp_path)
    assert (read.key, read.category) == ("real/validation_1", "exo")
    assert (read.scene, read.video) == ("videos_real/davis/dog", "videos_real/davis/dog.mp4")
    assert (read.truth, list(read.choices)) == ("left", list("ABCD"))


def test_groups_are_those_of_the_official_statistics(tmp_path: Path):
    real = store(tmp_path / "real_mc.json", [vlm4d_row(n) for n in (922, 923)])
    video = f"{HUGGING}/videos_synthetic/synth_001.mp4"
    texts = {"A": "left", "B": "No dog there", "C": "no", "D": "not moving"}
    rows = [vlm4d_row(n, video=video, choices=texts, answer=texts[letter]) for n, letter in enumerate("ABCD")]
    synthetic = store(tmp_path / "synthetic_mc.json", rows)
    found = given(real, synthetic).asked
    assert [each.category for each in found] == [
        *("exo", "ego"),
        *("directional", "false_positive", "false_positive", "directional"),
    ]


def test_ids_may_repeat_between_files_and_within_one(tmp_path: Path):
    real = store(tmp_path / "real_mc.json", [vlm4d_row(1), vlm4d_row(1), vlm4d_row(2)])
    synthetic = store(tmp_path / "synthetic_mc.json", [vlm4d_row(1, video=f"{HUGGING}/videos_synthetic/a.mp4")])
    keys = [each.key for each in given(real, synthetic).asked]
    assert keys == ["real/validation_1", "real/validation_1#2", "real/validation_2", "synthetic/validation_1"]


@pytest.mark.parametrize(
    ("choices", "answer", "letter"),
    [
        ({"A": 1, "B": 2, "C": 3, "D": 0}, 3, "C"),
        ({"A": 1, "B": 2, "C": 3, "D": 0}, "3", "C"),
        ({"A": True, "B": False}, True, "A"),
        ({"A": 1.5, "B": 2.5}, 2.5, "B"),
        ({"A": "left", "B": "right"}, "B", "B"),
        ({"A": "B", "B": "A"}, "A", "B"),
        ({"A": "left ", "B": "right"}, "Left", "A"),
    ],
)
def test_choices_and_answers_of_any_type(tmp_path: Path, choices, answer, letter):
    read = one(tmp_path, choices=choices, answer=answer)
    assert VLM4D.score(read, f"final answer: {letter}").score == 1
    assert VLM4D.score(read, f"final answer: {'B' if letter == 'A' else 'A'}").score == 0
    assert not questions(tmp_path, vlm4d_row(choices=choices, answer=answer)).hopeless


def test_of_equal_choices_any_is_right(tmp_path: Path):
    read = one(tmp_path, choices={"A": "left", "B": "right", "C": "left"})
    assert [VLM4D.score(read, f"final answer: {each}").score for each in "ABC"] == [1, 0, 1]


def test_an_answer_that_is_no_choice_counts_as_wrong_and_is_told(tmp_path: Path):
    read = questions(tmp_path, vlm4d_row(answer="upwards"))
    assert read.hopeless == ("real/validation_1",)
    assert [mark_reply(VLM4D, read.asked[0], f"final answer: {each}").score for each in "ABCD"] == [0] * 4


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"choices": ["left", "right"]}, "row 2: choices is an array of 2, expected an object"),
        ({"choices": {"A": "left"}}, 'row 2: choices are "A", expected two or more, A, B, C'),
        ({"choices": {"A": "left", "second": "right"}}, "expected two or more, A, B, C"),
        ({"choices": {"A": "left", "B": None}}, "row 2: choice B is null, expected text or a number"),
        ({"answer": ["left"]}, "row 2: answer is an array of 1, expected text or a number"),
        ({"question": 7}, "row 2: question is 7, expected text"),
        ({"question": " "}, "row 2: question is empty"),
        ({"video": None}, "row 2: video is null, expected text"),
        ({"video": "https://somewhere/"}, "row 2: got the path '', expected one below"),
        ({"video": "x/videos_real/../../etc/passwd"}, "row 2: got the path .* expected one below"),
        ({"video": "dog.mp4", "source": "davis", "clip": "../dog.mp4"}, "row 2: got the path '../dog.mp4'"),
        ({"id": "first"}, 'row 2: id is "first", expected one that ends like validation_160'),
        ({"id": None}, "row 2: id is null"),
    ],
)
def test_a_malformed_row_is_named(tmp_path: Path, changes, complaint):
    with pytest.raises(InputError, match=complaint) as caught:
        questions(tmp_path, vlm4d_row(), vlm4d_row(2, **changes))
    assert "\n" not in str(caught.value)


def test_real_or_synthetic_must_be_told(tmp_path: Path):
    folder = tmp_path / "somewhere"
    with pytest.raises(InputError, match=r"neither the video nor mine\.json tells real from synthetic"):
        questions(folder, vlm4d_row(video="dog.mp4"), name="mine.json")
    assert questions(folder, vlm4d_row(video="dog.mp4"), name="real_mc.json").asked[0].scene == "dog"


def test_answers_as_the_official_code_writes_them(tmp_path: Path):
    real = store(tmp_path / "real_mc.json", [vlm4d_row(n) for n in (1, 2, 3, 4)])
    said = ["Therefore, the final answer is: A", "B", None]
    rows = [vlm4d_row(n, response=text) for n, text in enumerate(said, start=1)]
    output = store(tmp_path / "real_mc_cot" / "gpt.json", [*rows, vlm4d_row(77, response="A")])
    dataset, asked = VLM4D, given(real).asked
    (recorded,) = dataset.answers([output], asked)
    column = grade_recorded(dataset, asked, recorded)
    assert (column.name, column.missing, column.unused, column.unreadable) == ("gpt", 1, 1, 1)
    overall = estimate_scores(dataset.figures(asked), *_scores(column))[-1]
    assert (overall.questions, overall.points) == (3, 1)  # a missing row leaves the count, an empty one does not


def test_the_judge_goes_before_the_rule(tmp_path: Path):
    real = store(tmp_path / "real_mc.json", [vlm4d_row(1), vlm4d_row(2)])
    judged = [
        {
            "id": f"validation_{n}",
            "response": text,
            "extracted_answer": "A",
            "correct": True,
            "ground_truth_answer": "left",
        }
        for n, text in ((1, "final answer: A"), (2, "to the left, unless it is to the right"))
    ]
    output = store(tmp_path / "processed_outputs" / "real_mc_cot" / "gpt.json", judged)
    asked = given(real).asked
    column = grade_recorded(VLM4D, asked, VLM4D.answers([output], asked)[0])
    assert [each.mark.score for each in column.graded] == [1, 1]
    assert column.overruled == 1


def _scores(column):
    return [each.question for each in column.graded], [each.mark.score for each in column.graded]


def test_recorded_answers_of_real_models(clips: Path):
    path = clips / "vqa" / "vlm4d_questions_dev.json"
    content = json.loads(path.read_text())
    told = given(path)
    assert not told.hopeless
    assert [each.category for each in told.asked] == [each["category"] for each in content["questions"]]
    found = {}
    for recorded in VLM4D.answers([path], told.asked):
        column = grade_recorded(VLM4D, told.asked, recorded)
        assert column.overruled == 0  # by letter and by verdict they are the same
        counts = found.setdefault(column.name, {})
        for each in column.graded:
            right, count = counts.get(each.question.category, (0, 0))
            counts[each.question.category] = [right + each.mark.score, count + 1]
    published = content["model_correct_counts_by_category"]
    assert {name: found[name] for name in published} == published
    assert sum(count for _, count in found["gemini-2.5-pro_32frames"].values()) == 31


def test_letters_of_real_models_by_rule_alone(clips: Path):
    """The same without verdicts: what each letter is worth is found from the choices."""
    path = clips / "vqa" / "vlm4d_questions_dev.json"
    rows = {row["id"]: row for row in json.loads(path.read_text())["questions"]}
    for question in given(path).asked:
        for said in rows[question.key]["models"].values():
            assert VLM4D.score(question, said["letter"] or "").score == said["correct"]
