"""What a file of weights holds beside the network's own."""

import warnings
from collections.abc import Iterable
from pathlib import Path

from fast_snow.errors import FastSnowWarning


def warn_of_unknown(names: Iterable[str], weights: Path | str, network: str) -> None:
    """Warn of tensors that a network does not have, as upstream's loaders tolerate them.

    Warns:
        FastSnowWarning: there are such tensors; they are ignored.
    """
    unknown = sorted(names)
    if unknown:
        several = f"{len(unknown)} tensors are" if len(unknown) > 1 else "1 tensor is"
        message = f"{weights}: {several} not part of {network}, like {unknown[0]}: ignored"
        warnings.warn(message, FastSnowWarning, stacklevel=3)
