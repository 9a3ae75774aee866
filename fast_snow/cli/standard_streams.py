"""Standard output and error as they may be: closed, full, or of an encoding that lacks most characters."""

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


def prepare() -> None:
    """Make the standard streams take any text, and keep files from being opened in place of closed ones."""
    with suppress(OSError):
        while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(descriptor)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


@contextmanager
def unfailing() -> Iterator[None]:
    """Let a block print what it can: where standard output fails, one line on standard error says so."""
    try:
        yield
        if sys.stdout is not None:
            sys.stdout.flush()
    except (OSError, ValueError) as error:  # ValueError: closed
        discard()
        complain(f"fast-snow: the summary could not be printed ({getattr(error, 'strerror', None) or error})")


def flushed(exit_code: int) -> int:
    """Return an exit code once all that was printed is on its way; an error of the stream is raised here, not later."""
    if sys.stdout is not None:
        sys.stdout.flush()
    return exit_code


def complain(line: str) -> None:
    """Print a line on standard error where that can be written to."""
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            print(line, file=sys.stderr, flush=True)


def discard() -> None:
    """Send what is left of standard output nowhere: it cannot be written, and the end of the program shall be quiet."""
    with suppress(OSError, ValueError, AttributeError):
        descriptor = os.open(os.devnull, os.O_WRONLY)
        os.dup2(descriptor, sys.stdout.fileno())
        os.close(descriptor)


def discard_if_broken() -> None:
    """Discard what is left of standard output unless it can still be written."""
    try:
        flushed(0)
    except (OSError, ValueError):
        discard()


class Tolerant(io.TextIOBase):
    """Standard error for progress: a run goes on where nobody can read how far it is."""

    def write(self, text: str) -> int:
        """Write where that is possible."""
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush where that is possible."""
        with suppress(OSError, ValueError, AttributeError):
            sys.stderr.flush()

    def isatty(self) -> bool:
        """Return whether somebody watches."""
        with suppress(ValueError, AttributeError):
            return sys.stderr.isatty()
        return False

    def fileno(self) -> int:
        """Return the descriptor of standard error."""
        return sys.stderr.fileno()

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """What the terminal understands."""
        return getattr(sys.stderr, "encoding", None) or "ascii"
