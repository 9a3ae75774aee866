"""Question answering about scenes: datasets in their published formats, official scores, arms of one comparison."""
