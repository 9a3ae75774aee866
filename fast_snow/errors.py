"""What can go wrong, and whose doing it is.

Every message is one line that names what came, what was expected and what to do about it. The command line prints it
and exits with `exit_code`.
"""

from typing import ClassVar


class FastSnowError(Exception):
    """A failure that is not the user's doing: an engine, a library or the machine."""

    exit_code: ClassVar[int] = 1


class EngineError(FastSnowError):
    """An engine could not be opened or did not answer as its protocol says."""


class UserError(FastSnowError):
    """What the user gave cannot be used; the message says how to mend it."""

    exit_code: ClassVar[int] = 2


class InputError(UserError):
    """A video, recording or document that is missing, damaged or lacks what was asked of it."""


class ConfigError(UserError):
    """A configuration key that does not exist or a value that is out of range."""


class OutputError(UserError):
    """The output folder cannot be written, or already holds a run."""


class FastSnowWarning(UserWarning):
    """Something was worked around; the result stands and `run.json` records it."""


def first_line(error: BaseException) -> str:
    """Return the first line of a library's message, cut off after 120 characters; its kind where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0][:120]


def one_line(error: BaseException) -> str:
    """Return a message in one line, with its kind where it is none of ours."""
    text = " ".join(str(error).split())
    if isinstance(error, FastSnowError):
        return text or "no message"
    kind = "out of memory" if isinstance(error, MemoryError) else type(error).__name__
    return f"{kind}: {text or 'no message'}"
