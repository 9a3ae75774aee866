"""How long prompts are."""

import cv2
import numpy as np
import pytest

from fast_snow.errors import InputError
from fast_snow.reasoning.conversation import ImagePart
from fast_snow.reasoning.prompt import tokens
from fast_snow.reasoning.prompt.compose import compose_prompt
from tests.reasoning.graphs import any_graph
from tests.reasoning.reading import text_of


def picture(height, width):
    _, data = cv2.imencode(".jpg", np.zeros((height, width, 3), np.uint8))
    return ImagePart(jpeg=data.tobytes(), name="keyframe t=0")


def test_counts_are_those_of_the_o200k_vocabulary():
    pytest.importorskip("rs_bpe")
    assert tokens.has_vocabulary()
    assert tokens.count_tokens("") == 0
    assert tokens.count_tokens("hello world") == 2
    assert tokens.count_tokens("5.1234567") == 5  # 5 . 123 456 7
    assert tokens.count_tokens("<|endoftext|>") == 7  # text, not the mark that ends one


def test_lines_of_a_prompt_add_up():
    prompt = compose_prompt(any_graph(5, objects=9), "?", (), budget=10**9)
    text = text_of(prompt)
    assert tokens.count_tokens(text) == sum(tokens.count_tokens(line) for line in text.splitlines(keepends=True))
    assert prompt.total_tokens == tokens.count_tokens(prompt.instructions) + tokens.count_tokens(text)


def test_the_estimate_is_near_the_count_for_prompts():
    pytest.importorskip("rs_bpe")
    prompt = compose_prompt(any_graph(5, objects=9), "Which way?", (), budget=10**9)
    for text, tolerance in ((text_of(prompt), 0.1), (prompt.instructions, 0.3)):
        assert tokens.estimate_tokens(text) == pytest.approx(tokens.count_tokens(text), rel=tolerance)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        ((1024, 1024), 1120),  # OpenAI: 768 × 768, four tiles, 765
        ((720, 1280), 1120),  # six tiles, 1105
        ((1024, 2048), 1120),  # 768 × 1536: six tiles, 1105
        ((600, 2048), 1445),  # eight tiles
        ((10, 10), 1120),
    ],
)
def test_pictures_cost_what_the_dearer_provider_asks(size, expected):
    assert tokens.estimate_image_tokens(picture(*size)) == expected


def test_what_is_no_picture():
    for data in (b"", b"text"):
        with pytest.raises(InputError, match="keyframe t=0: cannot be decoded"):
            tokens.estimate_image_tokens(ImagePart(jpeg=data, name="keyframe t=0"))
