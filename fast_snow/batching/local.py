"""Workers that are processes of this machine."""

from typing import Final

from fast_snow.batching.messages import Packed
from fast_snow.batching.processes import Child, LostError, Setting

START_S: Final = 5.0
"""So long is waited for a worker to start before the next look."""


class ProcessWorker:
    """A worker in a process of its own, which is started at the first call and after it was lost."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._child: Child | None = None
        self._up = False

    def ready(self) -> bool:
        """Start the process where it does not run; return whether it does.

        Raises:
            LostError: it could not be started.
        """
        if self._child is None:
            self._child, self._up = Child(self._setting), False
        try:
            self._up = self._up or self._child.receive(START_S) is not None
        except LostError:
            self.close()
            raise
        return self._up

    def call(self, request: Packed, limit_s: float) -> Packed:
        """Return the reply.

        Raises:
            LostError: the process died, or took longer than the limit.
        """
        child = self._child
        try:
            if child is None:
                raise LostError("was ended")
            child.send(request)
            reply: Packed | None = child.receive(limit_s)
            if reply is None:
                raise LostError(f"took longer than {limit_s:g} s")
        except LostError:
            self.close()
            raise
        return reply

    def close(self) -> None:
        """End the process."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()
