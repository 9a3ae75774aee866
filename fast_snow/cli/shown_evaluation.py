"""What a person sees of an evaluation: of systems over clips, of two results, of questions."""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final

from rich.markup import escape
from rich.table import Table

from fast_snow.cli.shown_answer import counting_method
from fast_snow.cli.terminal import console, plain_table
from fast_snow.config import VlmConfig
from fast_snow.evaluation.metrics.metric_definitions import METRICS, NO_VALUE, MetricDefinition
from fast_snow.evaluation.qa.beside_snow import ALLOWED_LOSS, BesideSnow
from fast_snow.evaluation.qa.grading import ScoreEstimate
from fast_snow.evaluation.qa.inference import Cost
from fast_snow.evaluation.qa.report import ColumnResult, QaReport
from fast_snow.evaluation.qa.runner import Plan
from fast_snow.evaluation.report.comparison import Comparison, Difference
from fast_snow.evaluation.report.html_page import PARTIAL
from fast_snow.evaluation.report.tables import Report, ReportRow, says_little
from fast_snow.reasoning.prompt.prompt_sections import escape_control_characters

IN_TERMINAL = (
    *("fps", "p50_s", "peak_bytes", "idr", "idf1", "hota"),
    *("trajectory_similarity_m", "depth_scaled_abs_rel", "centroid_m", "spread_m"),
)
"""The metrics that fit a terminal; the report has all."""
_MOST_COLUMNS: Final = 6
_MOST_REASONS: Final = 10


def print_evaluation(report: Report) -> None:
    """Show one line per clip and system, the totals and what failed."""
    out = console()
    measured = {name for row in report.rows for name in row.values}
    shown = [each for each in METRICS if each.name in measured and each.name in IN_TERMINAL]
    names = ("clip", "system", "same", *(each.label for each in shown))
    figures = [
        (escape(row.clip), escape(row.system), _same(row), *(_figure(row, each) for each in shown))
        for row in (*report.rows, *report.totals)
    ]
    out.print(plain_table(*names, rows=figures, left=2, padding=(0, 1, 0, 0)))
    if any("*" in _figure(row, each) for row in report.rows for each in shown):
        out.print(escape(PARTIAL))
    for each in report.failures:
        where = escape(f"{each.clip}, {each.system}, repeat {each.repeat}: {each.error}")
        out.print(f"[red]failed[/]  {where}")


def _figure(row: ReportRow, metric: MetricDefinition) -> str:
    value = row.values.get(metric.name)
    return metric.show(value) + ("*" if value is not None and says_little(row, metric) else "")


def _same(row: ReportRow) -> str:
    return {None: NO_VALUE, True: "yes", False: "no"}[row.identical]


def print_comparison(comparison: Comparison) -> None:
    """Show one line per metric: A, B, the difference and its interval."""
    out = console()
    out.print(f"[bold]A[/] {escape(comparison.a)}\n[bold]B[/] {escape(comparison.b)}")
    names = ("", "clips", "A", "B", "B - A", "95 % interval", "B is")
    out.print(plain_table(*names, rows=map(_line, comparison.differences)))
    if comparison.left_out:
        out.print(f"left out, finished by only one: {escape(', '.join(comparison.left_out))}")
    for remark in comparison.remarks:
        out.print(f"[yellow]note[/]  {remark}")


def _line(each: Difference) -> Sequence[str]:
    (metric,) = [known for known in METRICS if known.name == each.metric]
    reach = NO_VALUE if each.low is None else f"{metric.show(each.low)} to {metric.show(each.high)}"
    values = (metric.show(each.a), metric.show(each.b), metric.show(each.difference))
    return metric.label, str(each.clips), *values, reach, _verdict(each, metric.better)


def _verdict(each: Difference, better: str) -> str:
    """Say better or worse only where the whole interval does."""
    if each.low is None or each.high is None or better == "neither" or each.low <= 0 <= each.high:
        return NO_VALUE
    return "better" if (each.low > 0) == (better == "more") else "worse"


def print_qa_report(report: QaReport) -> None:
    """Show the report."""
    out = console()
    for result in report.results[:_MOST_COLUMNS]:
        out.print(f"[bold]{_plain(result.column.name)}[/]  {_plain(result.column.meaning)}")
    out.print(_figures(report.results[:_MOST_COLUMNS]))
    if report.gaps:
        out.print(_gaps(report))
    for judged in report.beside_snow:
        out.print(_beside_snow(judged))
    if any(each.tokens for each in report.results):
        out.print(_tokens(report.results))
    for line in _remarks(report):
        out.print(f"[yellow]note[/]  {_plain(line)}", soft_wrap=True)
    reasons = Counter(each.why for each in report.failures)
    for why, times in islice(reasons.items(), _MOST_REASONS):
        out.print(f"[red]failed[/]  {times} x {_plain(why)}", soft_wrap=True)
    if report.failures:
        out.print("the same command asks again what has no answer")


def _beside_snow(judged: BesideSnow) -> str:
    limit = f"at most {100 * ALLOWED_LOSS:.0f} points below SNOW"
    reach = "" if judged.low is None or judged.high is None else f" ({_reach(judged.low, judged.high)})"
    points = "no difference known" if judged.difference is None else f"{100 * judged.difference:+.1f}{reach}"
    return f"[bold]{judged.verdict}[/]  {judged.arm} {limit}: {points}"


def _plain(text: str) -> str:
    """Return text of a file or a server so that nothing in it steers the terminal."""
    return escape(escape_control_characters(text))


def _figures(results: Sequence[ColumnResult]) -> Table:
    """Return one line per figure: percent, with its 95 % interval over scenes."""
    by_name = [{each.name: each for each in result.figures} for result in results]
    rows = []
    for name in dict.fromkeys(name for figures in by_name for name in figures):
        found = [figures.get(name) for figures in by_name]
        most = max(each.questions for each in found if each)
        rows.append((_plain(name), str(most), *("-" if each is None else _percent(each) for each in found)))
    return plain_table("%, 95 % interval", "questions", *(_plain(each.column.name) for each in results), rows=rows)


def _percent(each: ScoreEstimate) -> str:
    reach = "" if each.low is None or each.high is None else f" ({100 * each.low:.0f} to {100 * each.high:.0f})"
    return f"{100 * each.value:.1f}{reach}"


def _gaps(report: QaReport) -> Table:
    rows = []
    for gap in (each for each in report.gaps if each.figures):
        overall = gap.figures[-1]
        reach = "-" if overall.low is None or overall.high is None else _reach(overall.low, overall.high)
        rows.append((_plain(f"{gap.b} - {gap.a}"), str(overall.questions), f"{100 * overall.value:+.1f}", reach))
    return plain_table("difference, overall", "questions", "points", "95 % interval", rows=rows)


def _reach(low: float, high: float) -> str:
    return f"{100 * low:+.1f} to {100 * high:+.1f}"


def _tokens(results: Sequence[ColumnResult]) -> Table:
    rows = []
    for name, spent in ((each.column.name, each.tokens) for each in results):
        if spent is not None:
            counts = [f"{spent.per_answer(of):.0f}" for of in ("input_tokens", "cached_tokens", "output_tokens")]
            calls = spent.tool_calls / spent.answers
            rows.append((_plain(name), f"{spent.per_answer('requests'):.1f}", *counts, f"{calls:.1f}"))
    return plain_table("per answer", "requests", "tokens in", "cached", "tokens out", "tool calls", rows=rows)


def _remarks(report: QaReport) -> Iterator[str]:
    yield from report.notes
    if len(report.results) > _MOST_COLUMNS:
        yield f"columns that are in the report alone: {len(report.results) - _MOST_COLUMNS}"
    for each in report.results:
        column = each.column
        counts = {
            "answers without a choice, number or word that can be read, which count as wrong": column.unreadable,
            "answers that ended too soon; raise --vlm.max-output-tokens or --vlm.max-rounds": each.cut_off,
            "answers to a prompt without room for the whole graph": each.shortened,
            "prompts of which the server read only a part; raise its context length": each.unread,
            "answers to none of the questions": column.unused,
            "answers that the dataset's judge, who counts, sees otherwise than the rule": column.overruled or 0,
        }
        yield from (f"{column.name}: {what}: {count}" for what, count in counts.items() if count)
        if column.missing:
            overall = f"counted as wrong, overall is {100 * each.all_asked:.1f}"
            yield f"{column.name}: questions without an answer, which do not count: {column.missing}; {overall}"


def print_costs(costs: Sequence[Cost], planned: Plan, vlm: VlmConfig) -> None:
    """Show what asking would cost."""
    out = console()
    rows, most = [], vlm.max_rounds + 1
    for each in costs:
        output_tokens = each.to_ask * vlm.max_output_tokens * (most if each.arm.tools else 1)
        asked = each.kept + each.to_ask + each.failing
        rows.append((each.arm.name, *map(str, (asked, each.kept, each.to_ask, each.prompt_tokens, output_tokens))))
    names = ("arm", "questions", "kept", "to ask", "prompt tokens", "output tokens at most")
    out.print(plain_table(*names, rows=rows))
    if any(each.arm.tools for each in costs):
        out.print(f"A4 sends its prompt again with each round of tools, at most {most} times")
    if planned.videos:
        out.print(f"graphs to be made first, whose questions are not counted: {len(planned.videos)}")
    if planned.without:
        out.print(f"questions left out because no run shows their scene: {planned.without}")
    failing = sum(each.failing for each in costs)
    if failing:
        out.print(f"prompts that cannot be made, asking says why: {failing}")
    out.print(f"counted  {counting_method()}")
