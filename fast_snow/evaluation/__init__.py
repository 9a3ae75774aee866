"""Evaluation of accuracy and speed: ground truth, metrics, runs over a manifest, reports and comparisons."""
