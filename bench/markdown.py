"""Tables of the pages that are made of results."""

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; its first column is text, the others are figures."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rule, *rows))


def ms(seconds: float) -> str:
    """Return milliseconds, to a hundredth."""
    return f"{1e3 * seconds:.2f}"
