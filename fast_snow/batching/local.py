"""Workers that are processes of this machine."""

from fast_snow.batching.messages import Packed
from fast_snow.batching.processes import Child, LostError, Setting


class ProcessWorker:
    """A worker in a process of its own, which is started at the first call and after it was lost."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._child: Child | None = None

    def ready(self) -> bool:
        """Return that it can be called at any time."""
        return True

    def call(self, request: Packed, limit_s: float) -> Packed:
        """Return the reply.

        Raises:
            LostError: the process died, or took longer than the limit.
        """
        child = self._child = self._child or Child(self._setting)
        try:
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
