"""The folder that a run leaves: graph, keyframes, masks and the record of the run."""

from fast_snow.output.layout import GRAPH, MASKS, RECORD
from fast_snow.output.reading import read_masks, read_record
from fast_snow.output.run_folder import RunWriter, create

__all__ = ["GRAPH", "MASKS", "RECORD", "RunWriter", "create", "read_masks", "read_record"]
