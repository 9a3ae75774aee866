"""How good and how fast a system is: ground truth, metrics, runs over a manifest, comparisons."""
