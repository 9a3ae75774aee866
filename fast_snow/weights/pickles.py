"""Whether loading a torch checkpoint needs no more memory than its size."""

import pickletools
import zipfile
from pathlib import Path
from typing import Final

from fast_snow.errors import InputError
from fast_snow.limits import CHECKPOINT_PICKLE
from fast_snow.untrusted_files import open_file, shown

_DAMAGE: Final = (zipfile.BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, LookupError)
_COSTLY: Final = frozenset({"builtins bytearray", "__builtin__ bytearray"})
"""Called by torch's safe unpickler, and allocates as much as the file says."""


def require_cheap(path: Path) -> None:
    """Refuse a `.pt` file that is compressed, or whose pickle allocates what the file does not hold.

    Raises:
        InputError: it does, or it is not a checkpoint; what passes is for torch to load with `weights_only`.
    """
    try:
        with open_file(path) as file, zipfile.ZipFile(file) as archive:
            entries = archive.infolist()
            packed = any(each.compress_type != zipfile.ZIP_STORED for each in entries)
            pickles = [each for each in entries if each.filename.endswith("/data.pkl")]
            if packed or len(pickles) != 1 or pickles[0].file_size > CHECKPOINT_PICKLE.largest:
                raise InputError(
                    f"{shown(path)}: is not a torch checkpoint: compressed, or not with exactly one small pickle"
                )
            codes = pickletools.genops(archive.read(pickles[0]))
            called = {argument for code, argument, _ in codes if code.name == "GLOBAL"}
    except _DAMAGE as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise InputError(f"{shown(path)}: is not a torch checkpoint ({reason})") from None
    if called & _COSTLY:
        raise InputError(f"{shown(path)}: contains a bytearray, expected tensors only")
