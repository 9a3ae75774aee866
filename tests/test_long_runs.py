"""What grows with a clip: columns that are extended without copies, masks on disk, and a document in pieces."""

import gc
import json
from dataclasses import fields, replace
from itertools import chain

import numpy as np
import pytest

import fast_snow
from bench.memory import Case, clip, run
from fast_snow import untrusted_json
from fast_snow.errors import InputError
from fast_snow.graph import fold, start
from fast_snow.output import graph_json
from fast_snow.output.graph_json import json_pieces, writing
from fast_snow.types import Log, Merge, Observations, Sightings, StepToken, Track
from tests.building import perception
from tests.output.test_graph_json import GOLDEN, assert_identical, region, sighting, small_graph, token
from tests.test_graph import CONFIG, part, renumber_run, scene_geometry, scene_masklets

TOKENS = tuple(token(t, num_points=t, score=t / 9, region=region(area=t + 1)) for t in range(5))


def test_observations_are_a_sequence_of_the_tokens_they_are_made_of():
    seen = Track(object_id=0, observations=TOKENS, theta=(0, 4)).observations
    assert isinstance(seen, Observations)
    assert len(seen) == 5
    assert_identical(tuple(seen), TOKENS)
    assert_identical(seen[-2], TOKENS[3])
    assert_identical(tuple(seen[1:3]), TOKENS[1:3])
    assert_identical(tuple(seen[::-2]), TOKENS[::-2])
    assert_identical(seen.between(1, 3), seen[1:4])
    assert isinstance(next(iter(seen)), StepToken)
    with pytest.raises(IndexError):
        seen[5]
    assert (seen[:2], seen[:0]) == (Observations.of(TOKENS[:2]), ())
    assert seen[:2] != seen[1:3]
    assert not any(getattr(seen, each.name).flags.writeable for each in fields(seen) if each.name != "cells")
    assert Sightings.of((sighting(3),))[0].region.area == 9


def test_what_grows_shares_memory_and_leaves_what_it_grew_from_as_it_was():
    start_of = Observations.of(TOKENS[:2]).grown_by(Observations.of(TOKENS[2:3]))
    one, other = (start_of.grown_by(Observations.of(some)) for some in (TOKENS[3:], TOKENS[4:]))
    assert_identical(tuple(start_of), TOKENS[:3])
    assert_identical(tuple(one), TOKENS)
    assert_identical(tuple(other), (*TOKENS[:3], TOKENS[4]))
    for column in ("t", "centroid", "box"):
        assert np.shares_memory(getattr(start_of, column), getattr(one, column))
        assert not np.shares_memory(getattr(other, column), getattr(one, column))
    assert np.shares_memory(start_of.cells.coverage, one.cells.coverage)


def test_growing_copies_each_row_a_few_times_at_most():
    seen, copies = Observations.of(()), 0
    for _ in range(60):
        longer = seen.grown_by(Observations.of(TOKENS[:1]))
        copies += 0 if np.shares_memory(longer.t, seen.t) else len(seen)
        seen = longer
    assert copies < 2 * len(seen)


def test_a_log_grows_without_changing():
    merges = [Merge(t=t, kept=0, dropped=None, iou=0.5, distance=0.0) for t in (3, 9, 7, 12)]
    first = Log(merges[:2])
    both = first.grown_by(merges[2:])
    assert (first, both, first.grown_by(merges[:1])) == (
        tuple(merges[:2]),
        tuple(merges),
        (*merges[:2], merges[0]),
    )
    assert both.since(8) == tuple(merges[1:])
    assert (both[-1], both[1:3], len(first)) == (merges[3], tuple(merges[1:3]), 2)


def test_a_graph_of_an_earlier_window_does_not_change():
    geometry, masklets = scene_geometry(metric=True), scene_masklets({"a": 0, "b": 1, "c": 2})
    first = fold(start(CONFIG), perception(masklets[:10], geometry=part(geometry, slice(0, 10))), config=CONFIG)
    before = graph_json.dumps(first.graph)
    rest = [renumber_run(each, 2) for each in masklets[7:]]
    second = perception(rest, window=1, first=7, shared=3, geometry=part(geometry, slice(7, None)))
    grown = fold(first, second, config=CONFIG).graph
    assert graph_json.dumps(first.graph) == before
    assert graph_json.dumps(fold(first, second, config=CONFIG).graph) == graph_json.dumps(grown)
    assert len(grown.tracks[0].observations) == 17
    assert len(grown.merges) == 2
    assert graph_json.loads(graph_json.dumps(grown)).window(t=9, length=4).ego.t.tolist() == [6, 7, 8, 9]


def test_masklets_of_earlier_windows_are_forgotten():
    """Or each frame of a long clip would cost more than those before."""
    geometry, masklets = scene_geometry(metric=True), scene_masklets({"a": 0, "b": 1, "c": 2})
    state = start(CONFIG)
    for window in range(4):
        begin, run = 4 * window, 3 * window
        named = [renumber_run(each, run) for each in masklets[begin : begin + 6]]
        share = 2 if window else 0
        seen = perception(
            named, window=window, first=begin, shared=share, geometry=part(geometry, slice(begin, begin + 6))
        )
        state = fold(state, seen, config=CONFIG)
        assert {name[0] for name in state.identity.bound} == {run}
        assert state.identity.last_seen.object_id.tolist() == [*state.graph.tracks]


def test_a_document_is_written_in_parts(monkeypatch):
    graph = small_graph()
    long = replace(graph.tracks[4], observations=tuple(token(t) for t in range(3)), unplaced=(), theta=(0, 2))
    graph = replace(graph, tracks={4: long, 1: graph.tracks[1]})
    text = graph_json.dumps(graph)
    monkeypatch.setattr(writing, "PART", 2)
    assert graph_json.dumps(graph) == text
    assert max(map(len, graph_json.pieces(graph))) < len(text) / 2


@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
def test_a_text_is_read_the_same_in_pieces_of_any_size(size):
    texts = [
        '{"a":[1,2.5e3,"x\\"[y"],\n"tracks":[{"q":1},[1,2],123, "s",null, -1.5 ,{"t":[{}]}],"b":true}',
        '{"tracks":[1,2', '{"tracks":[1 2]}', '{"tracks":[NaN]}', '{"tracks":[],"tracks":[]}', '{"tracks":[tru]}',
        '{"tracks":[{"a":"' + "x" * 200 + '}]}', '{"tracks":[1]} 2', '{"tracks":[1],}', '{"tracks" [1]}', "7", "", " {",
        '{"tracks":[' + "[" * 63 + "]" * 63 + "]}", '{"tracks":[' + "[" * 62 + "]" * 62 + "]}",
        '{"tracks":["\\ud800"]}', '{"tracks":[' + "9" * 18 + "." + "9" * 30 + "," + "9" * 19 + "]}",
        '{"tracks":[1e999]}',
    ]  # fmt: skip

    def in_pieces(text):
        cut = (text[i : i + size] for i in range(0, len(text), size))
        found = json_pieces.members(cut, listed="tracks")
        return {name: list(chain.from_iterable(value)) if name == "tracks" else value for name, value in found}

    def outcome(read, text):
        try:
            return read(text)
        except InputError as error:
            return str(error)

    for text in texts:
        expected = outcome(untrusted_json.loads, text)
        assert outcome(in_pieces, text) == ({} if expected == 7 else expected)


def test_of_a_long_list_a_few_entries_are_held_at_a_time(monkeypatch):
    monkeypatch.setattr(json_pieces, "TOGETHER", 100)
    read = []

    def pieces():
        for piece in ('{"tracks":[', *(f"[{i}],\n" for i in range(1000)), "[]]}"):
            read.append(piece)
            yield piece

    for _, groups in json_pieces.members(pieces(), listed="tracks"):
        assert len(next(groups)) < 30
        assert len(read) < 50
        assert sum(map(len, groups)) > 900


def test_places_of_later_groups_of_tracks_are_named(monkeypatch):
    monkeypatch.setattr(json_pieces, "TOGETHER", 1)
    parsed = json.loads(GOLDEN.read_text(encoding="utf-8"))
    last = len(parsed["tracks"]) - 1
    assert last > 0
    parsed["tracks"][last]["F_k"][0]["tau"] = [{"row": 16, "col": 0, "iou": 1}]
    with pytest.raises(InputError, match=rf"^tracks\[{last}\]\.F_k\[0\]\.tau\[0\]\.row: got 16, expected less than 16"):
        graph_json.loads(json.dumps(parsed))
    parsed["tracks"][last]["F_k"][0]["tau"] = 3
    with pytest.raises(InputError, match=rf"^tracks\[{last}\]\.F_k\[0\]\.tau: got 3, expected array"):
        graph_json.loads(json.dumps(parsed))


def test_masks_in_memory_lie_on_disk_as_long_as_they_are_referred_to(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    figures = run(Case(engines="recorded", frames=6, objects=3, folder=str(tmp_path / "out")))
    assert figures["observations"] == 18
    assert fast_snow.load(tmp_path / "out").num_frames == 6
    result = fast_snow.build_graph(clip(6, 3))
    labelled, images = result.labelled, result.keyframes
    (folder,) = tmp_path.glob("fast-snow-*")
    assert [each.t for each in labelled] == list(range(6))
    assert [each.t for each in labelled[-2:]] == [4, 5]
    assert labelled[-1].object_id.tolist() == [1, 2, 3]
    assert images[0].jpeg.startswith(b"\xff\xd8")
    result.save(tmp_path / "saved")
    assert len(list(fast_snow.output.read_masks(tmp_path / "saved"))) == 6
    del result, images
    gc.collect()
    assert folder.is_dir()
    del labelled
    gc.collect()
    assert not folder.is_dir()


@pytest.mark.parametrize(
    ("old", "new", "refusal"),
    [
        ('"F_k"', '"object_id":9,"F_k"', 'an object has two members "object_id", expected each name once'),
        ('"theta":[0,2]', '"theta":[0,2],"theta":[0,2]', 'an object has two members "theta", expected each name once'),
        ('"num_points":345', '"num_points":1e999', "holds the number 1e999, expected finite numbers"),
        (
            '"c":[5.12,',
            '"c":[99999999999999999999,',
            "holds the integer 99999999999999999999, expected at most 64 bits",
        ),
        ('"score":0.9', '"score":NaN', "holds NaN, expected finite numbers"),
        ('"area":700', f'"area":{"[" * 70}{"]" * 70}', "nested too deeply"),
        ('"area":700', '"\ud800":700', "holds half of a UTF-16 pair, expected Unicode text"),
        ('"area":700', '"area":true', "tracks[0].F_k[0].area: got true, expected integer"),
        ('"area":700', '"area":700,"maker":{"a":"x:y"}', None),
        ('"area":700', '"area":7e2', None),
    ],
)
def test_what_types_must_not_let_pass_is_refused_and_what_they_do_not_know_is_read(old, new, refusal):
    text = graph_json.dumps(small_graph())
    assert old in text
    if refusal is None:
        assert_identical(graph_json.loads(text.replace(old, new)), small_graph())
        return
    with pytest.raises(InputError) as error:
        graph_json.loads(text.replace(old, new, 1))
    assert str(error.value).startswith(refusal)


@pytest.mark.parametrize("end", ["}", ',"more":[{"object_id":1}]}', '}{"object_id":'])
def test_tracks_are_read_as_types_whatever_follows_them(monkeypatch, end):
    slow = []
    value = json_pieces._Text.value
    monkeypatch.setattr(json_pieces._Text, "value", lambda self, outside: slow.append(outside) or value(self, outside))
    text = graph_json.dumps(small_graph()).rstrip().removesuffix("}") + end
    if end.endswith(":"):
        with pytest.raises(InputError, match=r"Extra data, expected JSON"):
            graph_json.loads(text)
    else:
        assert_identical(graph_json.loads(text), small_graph())
    assert (2 in slow) == (len(end) > 1)
