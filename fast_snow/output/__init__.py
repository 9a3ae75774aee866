"""The folder that a run leaves: graph, keyframes, masks and the record of the run.

A run owns the files that its record names, and nothing else in the folder is ever changed.
"""

from fast_snow.output.growing import Newest, Snapshot
from fast_snow.output.mask_files import read_masks
from fast_snow.output.record import GRAPH, MASKS, RECORD, digest, read_record
from fast_snow.output.run_folder import RunWriter, create, replace_graph
from fast_snow.output.source_of_run import SourceOfRun, is_unchanged, source_of_run
from fast_snow.output.spilling import Spill

__all__ = [
    "GRAPH",
    "MASKS",
    "RECORD",
    "Newest",
    "RunWriter",
    "Snapshot",
    "SourceOfRun",
    "Spill",
    "create",
    "digest",
    "is_unchanged",
    "read_masks",
    "read_record",
    "replace_graph",
    "source_of_run",
]
