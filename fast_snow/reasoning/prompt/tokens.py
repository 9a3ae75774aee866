"""How long a prompt is in tokens.

Text is counted with the o200k vocabulary, which GPT-4o and later models of OpenAI use. Other models count differently:
those that take every digit for a token need up to twice as many for the numbers of a graph. Pictures are estimated.
What was really consumed is in the answer's usage, as the provider counts it.
"""

import math
import re
from collections.abc import Callable
from functools import cache
from typing import Final

import cv2
import numpy as np

from fast_snow.errors import InputError
from fast_snow.reasoning.conversation import ImagePart

FEWEST_PER_PICTURE: Final = 1120
_PIECES: Final = re.compile(r"\d{1,3}| ?[^\W\d_]+|[^\S\n]*\n+| ?[^\w\s]+|[^\S\n]+|_+")


def count_tokens(text: str) -> int:
    """Return a text's number of tokens in the o200k vocabulary; an estimate where `has_vocabulary()` is false."""
    return _counter()(text)


def has_vocabulary() -> bool:
    """Return whether the vocabulary is there, in the package rs-bpe; without it `count_tokens` estimates."""
    return _counter() is not estimate_tokens


@cache
def _counter() -> Callable[[str], int]:
    try:
        from rs_bpe.bpe import openai
    except ImportError:
        return estimate_tokens
    vocabulary = openai.o200k_base()
    counted: Callable[[str], int] = vocabulary.count
    return counted


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text has: one per three digits, per run of signs or spaces, per part of a word."""
    return sum(_estimate_piece(piece) for piece in _PIECES.findall(text))


def _estimate_piece(piece: str) -> int:
    word = piece.strip()
    if not word.isalpha():
        return math.ceil(len(piece) / 16)
    size = len(word.encode("utf-8", "replace"))
    return math.ceil(size / (5 if word.isascii() else 3))


def estimate_image_tokens(picture: ImagePart) -> int:
    """Return about how many tokens a picture costs, the dearer of two published rules.

    OpenAI's tiles: shrunk to fit 2048 × 2048 and a shorter side of 768, then 170 for each 512 × 512 and 85. Gemini 3:
    1120 for any picture at its usual resolution.

    Raises:
        InputError: the picture cannot be decoded.

    Reference:
        platform.openai.com/docs/guides/images-vision and ai.google.dev/gemini-api/docs/media-resolution.
    """
    image = cv2.imdecode(np.frombuffer(picture.jpeg, np.uint8), cv2.IMREAD_GRAYSCALE) if picture.jpeg else None
    if image is None:
        raise InputError(f"{picture.name}: cannot be decoded, expected a JPEG image")
    longer, shorter = max(image.shape), min(image.shape)
    shrink = min(1.0, 2048 / longer, 768 / shorter)
    tiles = math.ceil(longer * shrink / 512) * math.ceil(shorter * shrink / 512)
    return max(FEWEST_PER_PICTURE, 85 + 170 * tiles)
