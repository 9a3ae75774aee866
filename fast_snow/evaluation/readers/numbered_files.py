"""Files that are one per frame, with the frame's number in their names."""

import re
from pathlib import Path

from fast_snow.errors import InputError
from fast_snow.evaluation.readers.source import TruthSource
from fast_snow.untrusted_files import shown

_NUMBER = re.compile(r"(\d{1,15})$")


def numbered_files(folder: Path, ending: str, source: TruthSource, *, custom: int = 0) -> dict[int, Path]:
    """Return the files of a folder by their index in the input, ascending; hidden ones are left out.

    Args:
        folder: that holds them.
        ending: of their names, behind the number, such as `.png`.
        source: which number belongs to the input's first frame.
        custom: that number, where the source does not say.

    Raises:
        InputError: there are none, two of one number, or one without a number.
    """
    try:
        paths = sorted(folder.iterdir())
    except OSError as error:
        raise InputError(
            f"{shown(folder)}: no folder that can be read ({error.strerror}), expected one of files that end in a"
            f" number and {ending}"
        ) from None
    found: dict[int, Path] = {}
    for path in paths:
        if path.name.startswith(".") or not path.name.endswith(ending):
            continue
        number = _NUMBER.search(path.name.removesuffix(ending))
        if number is None:
            raise InputError(f"{shown(path)}: no frame number before {ending}, expected a name like 000000{ending}")
        index = source.index(int(number[1]), custom)
        if index is None:
            continue
        if index in found:
            raise InputError(
                f"{shown(path)}: the same frame number as {shown(Path(found[index].name))}, expected each once"
            )
        found[index] = path
    if not found:
        raise InputError(f"{shown(folder)}: no file of the clip's frames, expected names like 000000{ending}")
    return dict(sorted(found.items()))
