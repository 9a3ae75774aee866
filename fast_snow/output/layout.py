"""What a run's files are called."""

from typing import Final

GRAPH: Final = "4dsg.json"
RECORD: Final = "run.json"
MASKS: Final = "masks"
