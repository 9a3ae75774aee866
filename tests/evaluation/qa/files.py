"""Question files in the published formats, as small as they can be."""

import json
from pathlib import Path

from fast_snow.evaluation.qa.question_files import QuestionFiles, read_questions

HUGGING = "https://huggingface.co/datasets/shijiezhou/VLM4D/resolve/main"


def vlm4d_row(number=1, **changes):
    row = {
        "id": f"validation_{number}",
        "video": f"{HUGGING}/videos_real/davis/dog.mp4",
        "question_type": "multiple-choice",
        "question": f"Which way does dog {number} run?",
        "choices": {"A": "left", "B": "right", "C": "not moving", "D": "no dog there"},
        "answer": "left",
    }
    return row | changes


def vsi_row(number=0, **changes):
    row = {
        "id": number,
        "dataset": "scannet",
        "scene_name": "scene0169_01",
        "question_type": "object_counting",
        "question": "How many chair(s) are in this room?",
        "ground_truth": "4",
        "options": None,
    }
    return row | changes


def vsi_choice(number=0, **changes):
    options = ["A. front-left", "B. back-right", "C. back-left", "D. front-right"]
    asked = {"question_type": "object_rel_direction_hard", "ground_truth": "C", "options": options}
    return vsi_row(number, **(asked | changes))


def nuscenes_row(**changes):
    row = {
        "split": "val",
        "sample_token": "ca9a282c9e77460f8360f564131a8af5",
        "question": "Are there any moving cars?",
        "answer": "yes",
        "template_type": "exist",
        "num_hop": 0,
    }
    return row | changes


SQUARE = "[(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)]"


def robospatial_row(**changes):
    row = {
        "category": "configuration",
        "question": "Is the chair left of the desk? Answer yes or no.",
        "answer": "no",
        "img": "images/img_configuration_0.png",
        "depth_image": None,
        "mask": None,
    }
    return row | changes


def pointing_row(**changes):
    asked = {"category": "context", "question": "Pinpoint several points left of the rug.", "answer": SQUARE}
    return robospatial_row(**(asked | {"img": "images/img_context_0.png"} | changes))


def store(path: Path, rows) -> Path:
    """Write rows as the suffix says: lines of `.jsonl`, else one JSON text."""
    path.parent.mkdir(parents=True, exist_ok=True)
    jsonl = path.suffix == ".jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows) if jsonl else json.dumps(rows, indent=4))
    return path


def given(*paths: Path, root: Path = Path()) -> QuestionFiles:
    return read_questions(paths, root)
