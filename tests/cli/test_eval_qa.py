"""`fast-snow eval qa` from the command line to the report, against a server on this machine."""

import csv
import json
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import pytest

pytest.importorskip("openai")

from fast_snow.cli.main import main
from fast_snow.evaluation.qa.inference import MOST_FAILURES_IN_A_ROW
from tests.evaluation.qa.files import HUGGING, store, vlm4d_row
from tests.reasoning.loopback.script import USAGE
from tests.reasoning.loopback.servers import KEY, Call, Deny, Say, serving
from tests.reasoning.runs import small_run

ROOM = f"{HUGGING}/videos_real/davis/room.mp4"
HALL = f"{HUGGING}/videos_synthetic/synth_001.mp4"
KITCHEN = f"{HUGGING}/videos_real/davis/kitchen.mp4"
SIGNS = {"A1": (False, False, False), "A2": (True, False, False), "A3": (True, True, False), "A4": (True, True, True)}


def arm_of(asked):
    """Which arm a request is of: whether it shows tracks, the camera's path, and tools."""
    signs = ("[OBJECT " in asked.text, "[EGO POSES]" in asked.text, bool(asked.tools))
    return next(arm for arm, its in SIGNS.items() if its == signs)


def by_arm(asked):
    """Only the whole graph is of any use to this model; with tools it uses one first."""
    arm = arm_of(asked)
    if arm == "A4" and not asked.outcomes:
        return Say(calls=(Call(name="list_objects", arguments={"t": None}),))
    return Say(text=f"Because of object 1.\n\nfinal answer: {'A' if arm in ('A3', 'A4') else 'not moving'}")


@dataclass
class Bench:
    """A folder with questions and the runs of two of their three scenes."""

    folder: Path

    def run(self, *options):
        files = [str(self.folder / name) for name in ("real_mc.json", "synthetic_mc.json")]
        out = ["--runs", str(self.folder / "runs"), "-o", str(self.folder / "out"), "--quiet"]
        with pytest.raises(SystemExit) as end:
            main(["eval", "qa", *files, *out, *map(str, options)])
        return end.value.code

    def report(self, name="report"):
        return json.loads((self.folder / "out" / f"{name}.json").read_text())

    def figures(self, name="overall"):
        results = self.report()["results"]
        return {
            each["name"]: figure["value"] for each in results for figure in each["figures"] if figure["name"] == name
        }

    def answers(self):
        with (self.folder / "out" / "report_answers.csv").open() as file:
            return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for scene in ("videos_real/davis/room", "synth_001"):
        (folder / scene).parent.mkdir(parents=True, exist_ok=True)
        small_run().save(folder / scene)
    return folder


@pytest.fixture
def bench(tmp_path: Path, runs: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    (tmp_path / "runs").symlink_to(runs)
    store(
        tmp_path / "real_mc.json",
        [vlm4d_row(1, video=ROOM), vlm4d_row(2, video=ROOM, answer="right"), vlm4d_row(3, video=KITCHEN)],
    )
    store(tmp_path / "synthetic_mc.json", [vlm4d_row(1, video=HALL, question="Which way does the robot turn?")])
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    return Bench(tmp_path)


def test_four_arms_from_questions_to_report(bench: Bench, capsys):
    with serving("chat", repeat(by_arm)) as server:
        assert bench.run(*server.options) == 0
        assert sorted(map(arm_of, server.asked)) == ["A1"] * 3 + ["A2"] * 3 + ["A3"] * 3 + ["A4"] * 6
        shown = {arm_of(asked): len(asked.pictures) for asked in server.asked}
        asked = next(asked for asked in server.asked if arm_of(asked) == "A1")
    assert set(shown.values()) == {2}  # the same keyframes in every arm
    assert "> A: left\n" in asked.text
    assert 'End with the line "final answer: X"' in asked.text
    assert bench.figures() == {"A1": 0, "A2": 0, "A3": pytest.approx(2 / 3), "A4": pytest.approx(2 / 3)}
    report = bench.report()
    (gap,) = [each for each in report["differences"] if (each["a"], each["b"]) == ("A1", "A3")]
    assert [each["value"] for each in gap["figures"]] == pytest.approx([0.5, 0.5, 1, 1, 2 / 3])
    tokens = {each["name"]: each["tokens"] for each in report["results"]}
    assert [tokens[arm]["input_tokens"] for arm in SIGNS] == [3000, 3000, 3000, 6000]
    assert [tokens[arm]["tool_calls"] for arm in SIGNS] == [0, 0, 0, 3]
    assert report["notes"] == ["questions left out because no run shows their scene: 1"]
    assert [each["read_as"] for each in bench.answers()] == ["C"] * 6 + ["A"] * 6
    printed = capsys.readouterr().out
    assert "real exo-centric" in printed
    assert "A3 - A1" in printed
    assert KEY not in printed + json.dumps(report)
    assert server.url not in json.dumps(report)


def test_what_is_answered_is_not_asked_again(bench: Bench):
    with serving("chat", repeat(by_arm)) as server:
        assert bench.run(*server.options) == 0
        once = len(server.asked)
        first = (bench.folder / "out" / "report.json").read_bytes()
        assert bench.run(*server.options, "--parallel", 3) == 0
        assert len(server.asked) == once
        assert (bench.folder / "out" / "report.json").read_bytes() == first
        assert bench.run(*server.options, "--arms", "a1", "--vlm.max-output-tokens", 99) == 0
        assert len(server.asked) == once + 3  # another setting is another question


def test_two_evaluations_are_the_same_however_many_requests_go_at_once(bench: Bench):
    found = []
    for parallel in (1, 4):
        bench.folder.joinpath("out").rename(bench.folder / "before") if found else None
        with serving("chat", repeat(by_arm)) as server:
            assert bench.run("--parallel", parallel, *server.options) == 0
        out = bench.folder / "out"
        found.append([(out / name).read_bytes() for name in ("report.json", "report.csv", "report_answers.csv")])
    assert found[0] == found[1]


def test_a_failure_in_the_middle_is_told_and_asked_again_alone(bench: Bench, capsys):
    deny = Deny(status=400, message="flagged by content_policy")
    script = [by_arm, by_arm, deny, *[by_arm] * 3, deny, *repeat(by_arm, 20)]
    options = ("--arms", "A1,A2,A3", "--vlm.max-retries", 0)
    with serving("chat", script) as server:
        assert bench.run(*options, *server.options) == 1
        assert len(server.asked) == 9
        failed = [(each["question"], each["arm"]) for each in bench.report()["failures"]]
        assert failed == [("real/validation_1", "A3"), ("synthetic/validation_1", "A1")]
        assert [each["missing"] for each in bench.report()["results"]] == [1, 0, 1]
        assert "failed  2 x" in capsys.readouterr().out
        assert bench.run(*options, *server.options) == 0
        again = server.asked[9:]
        assert [arm_of(each) for each in again] == ["A3", "A1"]
    assert bench.report()["failures"] == []
    assert bench.figures()["A3"] == pytest.approx(2 / 3)


def test_a_model_that_always_fails_is_not_asked_on(bench: Bench, capsys):
    rows = [vlm4d_row(n, video=ROOM, question=f"Question {n}?") for n in range(1, 21)]
    store(bench.folder / "real_mc.json", rows)
    with serving("chat", repeat(Deny(status=404, message="no such model"))) as server:
        assert bench.run("--arms", "A1", *server.options) == 1
        assert len(server.asked) == MOST_FAILURES_IN_A_ROW
    printed = capsys.readouterr().out
    assert "requests not made after so many failures in a row: 13" in printed
    assert "failed  8 x" in printed
    assert bench.report()["results"] == []


def test_answers_that_cannot_be_read_count_as_wrong(bench: Bench, capsys):
    script = [Say(text="It may be left or right."), Say(text="The dog is", cut_off=True), by_arm]
    with serving("chat", script) as server:
        assert bench.run("--arms", "A1", *server.options) == 0
    (result,) = bench.report()["results"]
    assert (result["answers"], result["unreadable"], result["cut_off"]) == (3, 2, 1)
    assert bench.figures()["A1"] == pytest.approx(0)
    assert (
        "A1: answers without a choice, number or word that can be read, which count as wrong: 2"
        in capsys.readouterr().out
    )


def test_a_server_that_cuts_prompts_is_told_of(bench: Bench, capsys):
    whole, part = Say(text="final answer: A"), Say(text="final answer: A", usage={**USAGE, "input": 10})
    with serving("chat", [part, whole, whole]) as server:
        assert bench.run("--arms", "A1", *server.options) == 0
    (result,) = bench.report()["results"]
    assert (result["answers"], result["unread_prompts"]) == (3, 1)
    assert "prompts of which the server read only a part; raise its context length: 1" in capsys.readouterr().out


def test_a_dry_run_counts_and_sends_nothing(bench: Bench, capsys, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY")
    assert bench.run("--dry-run", "--limit", 2) == 0
    printed = capsys.readouterr().out
    arms = {
        words[0]: list(map(int, words[1:]))
        for words in map(str.split, printed.splitlines())
        if words[0] in SIGNS and words[1].isdecimal()
    }
    assert [each[:3] for each in arms.values()] == [[2, 0, 2]] * 4  # asked, kept, to ask
    tokens = [each[3] for each in arms.values()]
    assert tokens[0] < tokens[1] < tokens[2] == tokens[3]
    assert "questions left out because no run shows their scene: 1" in printed
    assert not (bench.folder / "out").exists()


def test_missing_graphs_are_made_from_videos_once(bench: Bench, clips: Path, tmp_path: Path):
    videos = tmp_path / "videos" / "videos_real" / "davis"
    videos.mkdir(parents=True)
    (videos / "kitchen.mp4").write_bytes((clips / "davis" / "libby" / "video.mp4").read_bytes())
    (bench.folder / "runs").unlink()
    options = ("--arms", "A1", "--videos", tmp_path / "videos", "--sampling.max-frames", 3, "--sampling.max-side", 160)
    with serving("chat", repeat(by_arm)) as server:
        assert bench.run(*options, *server.options) == 0
        made = bench.folder / "runs" / "videos_real" / "davis" / "kitchen" / "4dsg.json"
        before = made.stat().st_mtime_ns
        assert bench.run(*options, *server.options) == 0
        assert len(server.asked) == 1
    assert made.stat().st_mtime_ns == before
    assert bench.report()["about"]["asked"] == 1


def test_the_arm_of_snow_judges_ours_beside_it(bench: Bench, tmp_path: Path, capsys):
    runs = bench.folder / "runs"
    its = tmp_path / "both"
    its.mkdir()
    for each in runs.iterdir():
        (its / each.name).symlink_to(each.resolve())
    (its / "snow").mkdir()
    small_run().save(its / "snow" / "synth_001")
    runs.unlink()
    its.rename(runs)
    with serving("chat", repeat(by_arm)) as server:
        assert bench.run("--arms", "A3,S", *server.options) == 1
        assert len(server.asked) == 4  # the room has no run of SNOW's: its two questions are not asked in that arm
        failures = bench.report()["failures"]
        assert [(each["arm"], "no run of SNOW" in each["why"]) for each in failures] == [("S", True)] * 2
        (beside,) = bench.report()["beside_snow"]
        assert (beside["arm"], beside["difference"], beside["verdict"]) == ("A3", 0.0, "not measured")  # one scene
        assert "not measured  A3 at most 3 points below SNOW: +0.0" in capsys.readouterr().out
        small_run().save(runs / "snow" / "davis" / "room")
        assert bench.run("--arms", "A3,S", *server.options) == 0
        assert len(server.asked) == 6
    (beside,) = bench.report()["beside_snow"]
    assert (beside["low"], beside["high"], beside["verdict"]) == (0.0, 0.0, "pass")


def test_a_video_that_cannot_be_read_fails_its_questions_only(bench: Bench, tmp_path: Path):
    folder = tmp_path / "videos"
    folder.mkdir()
    (folder / "kitchen.mp4").write_bytes(b"no video")
    with serving("chat", repeat(by_arm)) as server:
        assert bench.run("--arms", "A1", "--videos", folder, *server.options) == 1
    (failure,) = bench.report()["failures"]
    assert (failure["question"], failure["arm"]) == ("real/validation_3", "A1")
    assert failure["why"].startswith("no graph of ")
    assert bench.report()["results"][0]["answers"] == 3


def test_recorded_answers_need_no_model(bench: Bench, clips: Path, capsys):
    path = clips / "vqa" / "vlm4d_questions_dev.json"
    with pytest.raises(SystemExit) as end:
        main(["eval", "qa", str(path), "--answers", str(path), "-o", str(bench.folder / "out")])
    assert end.value.code == 0
    results = {each["name"]: each for each in bench.report("recorded")["results"]}
    counts = {each["name"]: (each["points"], each["questions"]) for each in results["gpt-5.2_10hz"]["figures"]}
    assert counts["overall"] == (62, 80)
    assert results["gemini-2.5-pro_32frames"]["missing"] == 49
    assert (
        "questions without an answer, which do not count: 49; counted as wrong, overall is 16.2"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--arms", "A5"), "--arms: got A5, expected some of A1, A2, A3, A4"),
        (("--arms", ","), "--arms: got none"),
        (("--parallel", "0"), "--parallel: got 0, expected 1 to 64"),
        (("--limit", "-1"), "--limit: got -1, expected 0 or more"),
        (("--runs", "nowhere"), "nowhere: no run of any scene, expected folders like nowhere/videos_real/davis/room"),
        (("--videos", "nowhere"), "nowhere: no such folder"),
        (("--answers", "nowhere.json"), "nowhere.json: cannot be read"),
    ],
)
def test_a_wrong_option_is_one_line(bench: Bench, capsys, options, complaint):
    assert bench.run(*options) == 2
    complained = capsys.readouterr().err
    assert complaint in complained
    assert complained.count("\n") == 1
    assert not (bench.folder / "out").exists()


def test_a_run_that_would_serve_two_scenes_is_refused(bench: Bench, capsys):
    rows = [vlm4d_row(1, video=f"{HUGGING}/videos_real/{source}/synth_001.mp4") for source in ("davis", "ytvos")]
    store(bench.folder / "real_mc.json", rows)
    assert bench.run() == 2
    assert "would serve videos_real/davis/synth_001 and videos_real/ytvos/synth_001" in capsys.readouterr().err


def test_a_scene_that_leads_out_of_the_folder_is_refused(bench: Bench, capsys):
    store(bench.folder / "real_mc.json", [vlm4d_row(1, video=f"{HUGGING}/videos_real/%2E%2E/%2E%2E/etc.mp4")])
    assert bench.run() == 2
    assert "expected one below the data root" in capsys.readouterr().err


def test_a_damaged_run_fails_its_questions_only(bench: Bench, runs: Path, tmp_path: Path):
    (bench.folder / "runs").unlink()
    (tmp_path / "runs" / "room").mkdir(parents=True)
    (tmp_path / "runs" / "room" / "4dsg.json").write_text("{}")
    (tmp_path / "runs" / "synth_001").symlink_to(runs / "synth_001")
    with serving("chat", repeat(by_arm)) as server:
        assert bench.run("--arms", "A1", *server.options) == 1
        assert len(server.asked) == 1
    assert [each["question"] for each in bench.report()["failures"]] == ["real/validation_1", "real/validation_2"]


def test_a_damaged_answer_is_one_line(bench: Bench, capsys):
    with serving("chat", repeat(by_arm)) as server:
        assert bench.run("--arms", "A1", *server.options) == 0
        for path in (bench.folder / "out" / "answers").rglob("*.json"):
            path.write_text("[]")
        assert bench.run("--arms", "A1", *server.options) == 2
    assert "delete it to ask again" in capsys.readouterr().err


def test_without_questions_or_without_a_key_one_line_says_so(bench: Bench, capsys, monkeypatch):
    with pytest.raises(SystemExit) as end:
        main(["eval", "qa"])
    assert end.value.code == 2
    assert "QUESTIONS: got none, expected question files" in capsys.readouterr().err
    monkeypatch.delenv("OPENAI_API_KEY")
    (bench.folder / "runs").unlink()
    (bench.folder / "kitchen.mp4").write_bytes(b"never opened without a key")
    assert bench.run("--videos", bench.folder) == 2
    assert "no key for OpenAI" in capsys.readouterr().err
