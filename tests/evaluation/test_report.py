"""Tables and the page of an evaluation."""

import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from fast_snow.evaluation import results
from fast_snow.evaluation.metrics.metric_definitions import METRIC_GROUPS, METRICS
from fast_snow.evaluation.report import html_page
from fast_snow.evaluation.report.html_page import as_csv, write_report
from fast_snow.evaluation.report.svg_plots import ScatterPoint, draw_scatter, linear_ticks, log_ticks, shortened
from fast_snow.evaluation.report.tables import TOTAL, tabulate_runs
from tests.evaluation.cases import evaluation, result


def both(clip: str, **more):
    return [result(clip, system, repeat, **more) for repeat in range(2) for system in ("fast-snow", "snow")]


def test_a_row_is_the_mean_of_its_repeats_and_their_spread():
    made = evaluation(result("x", "fast-snow", 0, seconds=1.0), result("x", "fast-snow", 1, seconds=2.0))
    (row,) = tabulate_runs(made).rows
    assert row.runs == 2
    assert (row.low["fps"], row.values["fps"], row.high["fps"]) == (5.0, 7.5, 10.0)
    assert row.values["idf1"] == row.low["idf1"] == row.high["idf1"] == 0.5
    assert row.identical is True
    assert row.stage_s == pytest.approx({"decode": 0.75 / 20, "track": 1.5 / 20}, rel=1)


def test_stage_seconds_are_per_frame():
    (row,) = tabulate_runs(evaluation(result("x", "snow", seconds=2.0))).rows
    assert row.stage_s == pytest.approx({"decode": 0.05, "track": 0.1})


def test_repeats_that_differ_are_told():
    made = evaluation(result("x", "snow", 0), result("x", "snow", 1, graph_sha256="other"), result("y", "snow", 0))
    report = tabulate_runs(made)
    assert [row.identical for row in report.rows] == [False, None]
    assert report.totals[0].identical is False


def test_totals_pool_time_and_average_quality():
    made = evaluation(result("x", "snow", seconds=1.0, idf1=0.2), result("y", "snow", seconds=3.0, idf1=0.6))
    (total,) = tabulate_runs(made).totals
    assert (total.clip, total.clips, total.frames) == (TOTAL, 2, 20)
    assert total.values["fps"] == 5.0
    assert total.values["idf1"] == pytest.approx(0.4)
    assert total.values["p50_s"] == pytest.approx(3 / 18)  # of 20 frames, 9 took 1/18 s, the next 9 three times that


def test_totals_are_over_what_every_system_finished():
    made = evaluation(*both("x"), result("y", "fast-snow", idf1=1.0), result("y", "snow", error="out of luck"))
    report = tabulate_runs(made)
    assert report.compared == ("x",)
    assert [row.values["idf1"] for row in report.totals] == [0.5, 0.5]
    assert [row.clip for row in report.rows] == ["x", "x", "y"]
    assert [each.error for each in report.failures] == ["out of luck"]


def test_a_measure_that_some_clips_lack_is_the_mean_of_the_others():
    made = evaluation(result("x", "snow", idf1=0.2), result("y", "snow", idf1=None))
    assert tabulate_runs(made).totals[0].values["idf1"] == pytest.approx(0.2)


def test_totals_compare_figures_over_the_same_clips():
    made = evaluation(*both("x", idf1=0.2), result("y", "fast-snow", idf1=None), result("y", "snow", idf1=1.0))
    assert [total.values["idf1"] for total in tabulate_runs(made).totals] == pytest.approx([0.2, 0.2])


def test_csv_has_a_line_per_clip_and_system_and_totals():
    lines = list(csv.DictReader(io.StringIO(as_csv(tabulate_runs(evaluation(*both("x, y"), *both("z")))))))
    assert [(line["clip"], line["system"]) for line in lines] == [
        ("x, y", "fast-snow"), ("x, y", "snow"), ("z", "fast-snow"), ("z", "snow"),
        (TOTAL, "fast-snow"), (TOTAL, "snow"),
    ]  # fmt: skip
    assert float(lines[0]["idf1"]) == 0.5
    assert lines[0]["hota"] == ""
    assert set(lines[0]) >= {each.name for each in METRICS}


def test_files_are_written_and_read_back(tmp_path: Path):
    made = evaluation(*both("x"), result("y", "snow", error="no"))
    results.write_evaluation(made, tmp_path / results.EVALUATION)
    assert results.read_evaluation(tmp_path) == made
    files = write_report(tabulate_runs(made), tmp_path, made)
    assert [file.name for file in files] == ["report.json", "report.csv", "report.html"]
    tables = json.loads(files[0].read_text())
    assert tables["about"]["seed"] == 0
    assert tables["totals"][0]["values"]["fps"] == 10
    assert tables["failures"] == [{"clip": "y", "system": "snow", "repeat": 0, "error": "no"}]


class Reading(HTMLParser):
    """Collects what a page would fetch and what it shows."""

    def __init__(self) -> None:
        super().__init__()
        self.tags, self.fetched, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.fetched += [value for name, value in attrs if name in ("src", "href", "srcset", "data")]

    def handle_data(self, data):
        self.text.append(data)


def read(text: str) -> Reading:
    reading = Reading()
    reading.feed(text)
    return reading


def test_the_page_needs_nothing_else():
    made = evaluation(*both("x"), *both("<b>bold</b>", notes=("a <note>",)), result("y", "snow", error="no & never"))
    text = html_page.render_report(tabulate_runs(made), made)
    reading = read(text)
    assert reading.fetched == []
    assert not {"script", "link", "img", "iframe", "b"} & set(reading.tags)
    assert "url(" not in text
    assert reading.tags.count("svg") == 3
    shown = " ".join(reading.text)
    for expected in ("small & <odd>", "<b>bold</b>", "a <note>", "no & never", "not run from a clone", "0.500"):
        assert expected in shown
    for drawing in text.split("<svg")[1:]:
        ElementTree.fromstring("<svg" + drawing.partition("</svg>")[0] + "</svg>")


def test_no_result_becomes_markup():
    hostile = '"><script>alert(1)</script>{{ 7 * 7 }}'
    metrics = {"idf1": 0.5, "centroid_m": 0.1, "centroid_p90_m": 0.5}
    ran = [result(hostile, hostile, notes=(hostile,), metrics=metrics, stage_s={hostile: 1.0})]
    made = evaluation(*ran, result("x", hostile, error=hostile), systems=[hostile], warm_up=hostile, written=hostile)
    text = html_page.render_report(tabulate_runs(made), made)
    reading = read(text)
    assert "script" not in reading.tags
    assert "49" not in " ".join(reading.text)
    assert "<script" not in text
    assert hostile in " ".join(reading.text)
    for drawing in text.split("<svg")[1:]:
        ElementTree.fromstring("<svg" + drawing.partition("</svg>")[0] + "</svg>")


def test_the_better_figure_stands_out():
    made = evaluation(result("x", "fast-snow", seconds=1.0), result("x", "snow", seconds=2.0))
    text = html_page.render_report(tabulate_runs(made), made)
    assert '<td class="best">10.00</td>' in text
    assert "<td>5.00</td>" in text
    assert "<td>0.500</td>" in text  # equal figures: none is better


def test_where_only_some_objects_are_annotated_recall_leads_and_no_idf1_is_best():
    some = evaluation(*both("x", idf1=0.2, exhaustive=False), result("y", "snow", exhaustive=True))
    report = tabulate_runs(some)
    assert [row.exhaustive for row in report.rows] == [False, False, True]
    assert [row.exhaustive for row in report.totals] == [False, False]
    assert [each.name for each in METRIC_GROUPS["Tracking"]][:2] == ["idr", "recall"]
    better = evaluation(
        result("x", "fast-snow", exhaustive=False, metrics={"idf1": 0.9, "idr": 0.9}),
        result("x", "snow", exhaustive=False, metrics={"idf1": 0.1, "idr": 0.1}),
    )
    text = html_page.render_report(tabulate_runs(better), better)
    assert '<td class="little">0.900*</td>' in text
    assert '<td class="best">0.900</td>' in text  # IDR
    assert text.count("annotates only some objects") == 2  # below both tracking tables
    assert ">IDR</text>" in text  # what the plot shows over speed
    everything = evaluation(*both("x", exhaustive=True))
    assert "annotates only some objects" not in html_page.render_report(tabulate_runs(everything), everything)
    assert ">IDF1</text>" in html_page.render_report(tabulate_runs(everything), everything)


def test_places_have_tables_and_plots_of_their_own():
    metrics = {"centroid_m": 0.1, "centroid_p90_m": 0.5, "spread_m": 0.02, "spread_p90_m": 0.04, "depth_abs_rel": 0.1}
    made = evaluation(*both("x", metrics=metrics), *both("y", idf1=None))
    text = html_page.render_report(tabulate_runs(made), made)
    for title in ("Run", "Camera and depth", "Objects in space"):
        assert text.count(f"<h3>{title}</h3>") == 2  # totals and clips
    assert "<h3>Tracking</h3>" not in text
    places = text.split("<h3>Objects in space</h3>")[2].partition("</table>")[0]
    assert ">x<" in places
    assert ">y<" not in places  # has no such figure
    assert "Error of centroids: median" in text
    assert "Spread of resting objects" in text
    assert "own masks: median" not in text


def test_a_page_without_truth_or_without_any_run_is_still_one():
    alone = evaluation(result("x", "snow", idf1=None))
    assert read(html_page.render_report(tabulate_runs(alone), alone)).tags.count("svg") == 2
    failed = evaluation(result("x", "snow", error="no"))
    assert "No clip was finished by every system." in html_page.render_report(tabulate_runs(failed), failed)


@pytest.mark.parametrize(("low", "high"), [(0.3, 40.0), (1.0, 1.0), (7.0, 7.0), (1e-3, 1e4), (0.2, 0.2), (5.0, 10.0)])
def test_logarithmic_ticks_enclose_their_range(low, high):
    ticks = log_ticks(low, high)
    assert ticks == sorted(ticks)
    assert len(ticks) >= 2
    assert ticks[0] <= low * (1 + 1e-9)
    assert ticks[-1] >= high * (1 - 1e-9)


@pytest.mark.parametrize("high", [0.0, 1e-6, 0.3, 1.0, 7.3, 999.0, 1e9])
def test_linear_ticks_enclose_their_range(high):
    ticks = linear_ticks(high)
    assert ticks[0] == 0
    assert ticks[-1] >= high
    assert 2 <= len(ticks) <= 7


def test_points_stay_inside_the_plot():
    points = [
        ScatterPoint(x=1.0, y=-0.5, series=0, label="below"),
        ScatterPoint(x=9.0, y=1.0, series=1, label="top"),
    ]
    drawing = ElementTree.fromstring(draw_scatter(points, x_label="x", y_label="y"))
    width, height = (float(each) for each in drawing.attrib["viewBox"].split()[2:])
    circles = drawing.findall("circle")
    assert len(circles) == 2
    assert all(0 < float(c.attrib["cx"]) < width and 0 < float(c.attrib["cy"]) < height for c in circles)


def test_long_names_keep_both_ends():
    assert shortened("davis/blackswan") == "davis/blackswan"
    short = shortened("a" * 20 + "/" + "b" * 20)
    assert short.startswith("aaa")
    assert short.endswith("bbb")
    assert len(short) < 30
