"""`python -m fast_snow` is `fast-snow`."""

from fast_snow.cli.main import main

main()
