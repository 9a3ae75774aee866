"""What a batch reads, how its runs are named, and how requests wait."""

import json
from pathlib import Path
from threading import Thread

import pytest

from fast_snow.batching.messages import Origin
from fast_snow.batching.videos import videos
from fast_snow.batching.waiting import Waiting, WaitingRequests
from fast_snow.errors import InputError


def named(inputs: object) -> list[tuple[str, str]]:
    return [(each.name, each.source) for each in videos(inputs)]


def test_a_list_is_relative_to_its_folder_and_may_hold_urls(tmp_path: Path):
    listed = tmp_path / "list.txt"
    listed.write_text("# mine\na.mp4\n\n/b/c.mp4\ns3://bucket/d.mp4\na.mp4\n")
    assert named(str(listed)) == [("a", str(tmp_path / "a.mp4")), ("c", "/b/c.mp4"), ("d", "s3://bucket/d.mp4")]


def test_a_pattern_finds_files_in_order(tmp_path: Path):
    for name in ("b.mp4", "a.mp4", "c.txt"):
        (tmp_path / name).touch()
    assert [name for name, _ in named(str(tmp_path / "*.mp4"))] == ["a", "b"]


def test_equal_names_are_told_apart_by_their_folders():
    assert named(["x/one/clip.mp4", "x/two/clip.mp4"]) == [
        ("one-clip", "x/one/clip.mp4"),
        ("two-clip", "x/two/clip.mp4"),
    ]


def test_a_run_does_not_take_the_name_of_a_log_or_a_table():
    assert [name for name, _ in named(["a/clip", "b/clip.log.mp4"])] == ["a-clip", "b-clip.log"]
    assert named(["batch.csv/"]) == [("batch", "batch.csv/")]


def test_each_episode_of_a_dataset_is_a_video_and_a_damaged_one_fails_alone(tmp_path: Path):
    (tmp_path / "arm/meta").mkdir(parents=True)
    (tmp_path / "bad/meta").mkdir(parents=True)
    info = {"codebase_version": "v3.0", "features": {}, "video_path": None, "total_episodes": 2, "fps": 10}
    (tmp_path / "arm/meta/info.json").write_text(json.dumps(info))
    (tmp_path / "bad/meta/info.json").write_text(json.dumps(info | {"total_episodes": 10**12}))
    assert [(each.name, each.episode) for each in videos([tmp_path / "arm", tmp_path / "bad"])] == [
        ("arm-000000", 0),
        ("arm-000001", 1),
        ("bad", None),
    ]


def test_nothing_found_and_names_that_cannot_be_told_apart_are_the_users_mistakes(tmp_path: Path):
    with pytest.raises(InputError, match="got no video"):
        videos(str(tmp_path / "*.mp4"))
    with pytest.raises(InputError, match="differ in nothing but their suffix"):
        videos(["a/clip.mp4", "a/clip.avi"])


def request(name: str) -> Waiting:
    return Waiting(video=name, request=Origin(size=(1, 1), recording=None, brings=()))


def taken(requests: WaitingRequests, worker: int) -> str | None:
    found = requests.take(worker)
    return found and found.video


def test_what_failed_goes_first_and_to_another_worker():
    requests = WaitingRequests(3, 2)
    requests.put(request("a"))
    requests.put(request("b"))
    first = requests.take(0)
    assert first is not None
    requests.put_back(first, 0)
    assert taken(requests, 0) == "b"
    assert taken(requests, 1) == "a"


def test_what_failed_comes_back_where_no_other_worker_is_present():
    requests = WaitingRequests(3, 2)
    requests.put_back(request("a"), 0)
    requests.note(1, present=False)
    assert taken(requests, 0) == "a"


def test_requests_that_nobody_wants_any_more_are_dropped():
    requests = WaitingRequests(3, 1)
    gone = request("gone")
    requests.put(gone)
    gone.reply.cancel()
    requests.put(request("wanted"))
    assert taken(requests, 0) == "wanted"


def test_who_puts_more_than_may_wait_waits():
    requests = WaitingRequests(1, 1)
    requests.put(request("a"))
    more = Thread(target=requests.put, args=(request("b"),))
    more.start()
    more.join(0.05)
    assert more.is_alive()
    assert taken(requests, 0) == "a"
    more.join(5)
    assert taken(requests, 0) == "b"
    requests.close()
    assert requests.take(0) is None
