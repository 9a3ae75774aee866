"""How `scripts/test --all` checks types: an int is a float, as for static checkers."""

from beartype import BeartypeConf, beartype

checked = beartype(conf=BeartypeConf(is_pep484_tower=True))
