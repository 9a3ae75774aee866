"""A synthetic scene: a rendered clip of which everything is known, for examples, tests and benchmarks."""
