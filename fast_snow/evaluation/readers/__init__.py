"""Readers of ground truth in the formats of public data sets, none of which is trusted."""
