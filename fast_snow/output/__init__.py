"""The folder that a run leaves: graph, keyframes, masks and the record of the run.

A run owns the files that its record names, and nothing else in the folder is ever changed.
"""

from fast_snow.output.mask_files import read_masks
from fast_snow.output.record import GRAPH, MASKS, RECORD, digest, read_record
from fast_snow.output.run_folder import RunWriter, create
from fast_snow.output.source_of_run import SourceOfRun, is_unchanged, source_of_run
from fast_snow.output.spilling import Spill

__all__ = [
    "GRAPH",
    "MASKS",
    "RECORD",
    "RunWriter",
    "SourceOfRun",
    "Spill",
    "create",
    "digest",
    "is_unchanged",
    "read_masks",
    "read_record",
    "source_of_run",
]
