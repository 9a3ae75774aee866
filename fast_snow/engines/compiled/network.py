"""What a compiled network is to the engine around it: named arrays in, named arrays out."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

import numpy as np

Arrays = Mapping[str, np.ndarray]


@runtime_checkable
class Network(Protocol):
    """Runs one forward pass, whatever backend compiled it."""

    def __call__(self, inputs: Arrays) -> Arrays:
        """Return the outputs by name.

        Args:
            inputs: by name, C-contiguous.

        Returns:
            Arrays that belong to the caller; a later call does not change them.
        """
        ...


OpenNetwork = Callable[[], AbstractContextManager[Network]]
