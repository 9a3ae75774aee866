"""Question answering about scenes: published datasets, their official scores, and the arms of the comparison."""
