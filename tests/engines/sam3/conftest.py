"""The package `sam3` built from its source cannot be imported plainly: it is imported here as the engines do it."""

from importlib.util import find_spec

if find_spec("torch") is not None and find_spec("sam3") is not None:
    from fast_snow.engines.sam3.package.workarounds import import_builder

    import_builder()
