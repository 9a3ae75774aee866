"""The SHA-256 of a file, and of all that a folder holds."""

import hashlib
from pathlib import Path

from fast_snow.errors import InputError
from fast_snow.evaluation.readers.paths import files_below
from fast_snow.untrusted_files import open_file


def sha256_of(path: Path) -> str:
    r"""Return the SHA-256 of a file or folder in hexadecimal.

    That of a folder is of the lines `DIGEST  NAME` of all files below it, sorted by the bytes of their names, which
    are relative to it. A shell says the same by
    `(cd FOLDER && find . -type f -printf '%P\0' | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum)`.

    Args:
        path: of the file or folder.

    Raises:
        InputError: a file cannot be read, or a link stands for a folder.
    """
    if not path.is_dir():
        return _digest(path)
    files = sorted(files_below(path), key=lambda each: each.relative_to(path).as_posix().encode())
    lines = "".join(f"{_digest(each)}  {each.relative_to(path).as_posix()}\n" for each in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def _digest(path: Path) -> str:
    try:
        with open_file(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); restore it or its permissions") from error
