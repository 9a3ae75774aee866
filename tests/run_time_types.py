"""How `scripts/test --all` checks types: an int is a float, as for static checkers.

Functions inside functions are decorated while a run goes on, in any of its threads. beartype records Python's warnings
meanwhile, those of all threads: what another one warns of would be lost. Here it lets them pass.
"""

from contextlib import nullcontext
from unittest.mock import patch

from beartype import BeartypeConf, beartype
from beartype._decor._nontype._wrap import _wrapargs, _wrapreturn

for _module in (_wrapargs, _wrapreturn):
    patch.object(_module, "catch_warnings", lambda **_: nullcontext([])).start()

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
