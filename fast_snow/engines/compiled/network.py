"""What a compiled network is to the engine around it: named arrays in, named arrays out."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager

import numpy as np

Arrays = Mapping[str, np.ndarray]

Network = Callable[[Arrays], Arrays]
"""One forward pass of C-contiguous inputs, whatever backend compiled it; the outputs belong to the caller."""

OpenNetwork = Callable[[], AbstractContextManager[Network]]
