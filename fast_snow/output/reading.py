"""Reading the masks and the record of a run."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from fast_snow.errors import InputError
from fast_snow.kernels.masks import select, validate
from fast_snow.output.layout import MASKS, RECORD
from fast_snow.types import LabelledMasks, Masks


def read_masks(folder: Path) -> Iterator[LabelledMasks]:
    """Read the masks of a run, frame by frame in order.

    Args:
        folder: of the run.

    Yields:
        The masks of each frame with the objects they belong to.

    Raises:
        InputError: a file is damaged.
    """
    for path in sorted((folder / MASKS).glob("*.npz")):
        try:
            with np.load(path, allow_pickle=False) as arrays:
                t, object_id = arrays["t"], arrays["object_id"]
                height, width = arrays["shape"].tolist()
                masks = Masks(
                    start=arrays["start"], stop=arrays["stop"], offset=arrays["offset"], shape=(height, width)
                )
                frames = arrays["frame_t"].tolist()
            validate(masks)
        except (OSError, KeyError, ValueError, TypeError, BadZipFile, InputError) as error:
            raise InputError(f"{path}: damaged ({error}); run infer again") from error
        for when in frames:
            index = np.flatnonzero(t == when)
            yield LabelledMasks(t=when, object_id=object_id[index], masks=select(masks, index))


def read_record(folder: Path) -> dict[str, Any]:
    """Read the record of a run.

    Args:
        folder: of the run.

    Returns:
        The content of `run.json`.

    Raises:
        InputError: it is missing or damaged.
    """
    path = folder / RECORD
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; expected the folder that infer wrote") from error
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); run infer again") from error
    if not isinstance(record, dict):
        raise InputError(f"{path}: got a {type(record).__name__}, expected an object; run infer again")
    return record
