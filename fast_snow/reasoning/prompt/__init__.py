"""The prompt for a question: instructions, the graph as text within a token budget, keyframes, the question."""
