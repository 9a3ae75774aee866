"""Baseline systems that Fast-SNOW is compared with."""
