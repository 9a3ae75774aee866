"""What a prompt leaves out: never more than needed, in the stated order, and never silently."""

from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fast_snow.errors import UserError
from fast_snow.reasoning.prompt.budget import needed
from fast_snow.reasoning.prompt.compose import compose_prompt
from fast_snow.reasoning.prompt.graph_text import pixels_per_cell
from fast_snow.types import Track
from tests.reasoning.graphs import GRID, PIXELS, any_graph, ego, graph, of_tracks, token
from tests.reasoning.reading import blocks, poses, text_of

EVERYWHERE = {k: tuple(range(16)) for k in range(3)}
WITH_GAPS = {0: (0, 1, 2), 1: (0, 5, 9), 2: tuple(range(4, 16)), 3: (15,), 4: (2, 7)}
ANY, NAMED = "What moves?", "How fast is object 0?"


def read(prompt):
    return blocks(prompt, pixels_per_cell(GRID, PIXELS))


def every_prompt(whole, question, step=40, **options):
    """Return the different prompts of ever smaller budgets, down to the one that holds nothing."""
    prompts = [compose_prompt(whole, question, (), budget=10**9, **options)]
    budget = prompts[0].total_tokens + 200
    while True:
        try:
            prompt = compose_prompt(whole, question, (), budget=budget, **options)
        except UserError:
            return prompts
        prompts += [prompt] if prompt != prompts[-1] else []
        budget -= step


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Which way is object 3 moving?", {3}),
        ("objects 3, 5 and 7", {3, 5, 7}),
        ("Is OBJECT #3 nearer than #5?", {3, 5}),
        ("object number 3 or object no. 5", {3, 5}),
        ("from #3 to #5 in 7 seconds", {3, 5}),
        ("object 3's colour, 5 of them", {3}),
        ("objects", set(range(8))),
        ("What moves at 3 s?", set(range(8))),
        ("object 99", set(range(8))),
        ("object 3 and object 99", {3}),
        (f"object {'9' * 5000}", set(range(8))),
        ("object ٣", {3}),
    ],
)
def test_a_question_needs_the_objects_that_it_names_or_all(question, expected):
    assert needed(graph(dict.fromkeys(range(8), (0,))), question) == expected


def test_everything_is_there_where_it_fits():
    prompt = compose_prompt(graph(EVERYWHERE, 16), ANY, (), budget=10**9)
    assert prompt.left_out == ()
    assert "left out of this prompt: nothing\n" in text_of(prompt)


@pytest.mark.parametrize("spans", [EVERYWHERE, WITH_GAPS])
@pytest.mark.parametrize("question", [ANY, NAMED])
@pytest.mark.parametrize("content", ["graph", "tracks"])
def test_the_order_in_which_things_go(spans, question, content):
    """Each prompt of a smaller budget has what its step says, and later steps come only after earlier ones."""
    whole = graph(spans, 16)
    steps = []
    for prompt in every_prompt(whole, question, step=40 if content == "graph" else 8, content=content):
        listed = read(prompt)
        sentences = " ".join(prompt.left_out)
        thinned, windowed = "observations and camera poses but those" in sentences, "all but t" in sentences
        cells = [len(cells) for block in listed.values() for _, cells in block.observations.values()]
        assert all(cells) if "tau" not in sentences else not any(cells)
        if windowed:
            assert not thinned
            first, last = (int(t) for t in sentences.split("all but t = ")[1].split(" to "))
            expected = {k: [t for t in spans[k] if first <= t <= last] for k in ([0] if question == NAMED else spans)}
            assert {k: list(block.observations) for k, block in listed.items()} == {
                k: v for k, v in expected.items() if v
            }
            assert listed
        else:
            every = int(sentences.split("t = 0, ")[1].split(",")[0]) if thinned else 1
            for k, block in listed.items():
                ends = (spans[k][0], spans[k][-1])
                assert list(block.observations) == [t for t in spans[k] if t % every == 0 or t in ends]
            assert 0 in listed
            assert question == NAMED or listed.keys() == spans.keys()
        steps.append(("tau" in sentences, thinned, windowed, 0 if windowed else len(spans) - len(listed)))
    if content == "graph":
        kinds = [(False, False, False), (True, False, False), (True, True, False), (True, False, True)]
    else:
        kinds = [(False, False, False), (False, True, False), (False, False, True)]
    assert list(dict.fromkeys(step[:3] for step in steps)) == kinds
    assert [step[3] for step in steps if step[:3] == kinds[0]] == list(range(len(spans) if question == NAMED else 1))


def test_objects_that_are_not_named_go_first_those_last_seen_longest_ago_first():
    prompts = [each for each in every_prompt(graph(WITH_GAPS, 16), "object 4?") if "tau" not in " ".join(each.left_out)]
    assert [sorted(read(each)) for each in prompts] == [
        [0, 1, 2, 3, 4],
        [1, 2, 3, 4],  # 0 was last seen at 2
        [2, 3, 4],  # 1 at 9
        [2, 4],  # 2 and 3 at 15; the greater id goes first
        [4],
    ]
    assert prompts[2].left_out == (
        "2 of 5 objects, which the question does not name and which were last seen at t = 9 or before",
    )


def test_a_thinned_track_tells_how_often_the_object_was_seen():
    thinned = compose_prompt(graph(EVERYWHERE, 16), ANY, (), budget=2200)
    assert "t = 0, 4, 8," in str(thinned.left_out)
    assert "[OBJECT 2 — F_2 across 16 frames] theta 0 15, 5 listed\n" in text_of(thinned)
    assert [t for t, *_ in poses(thinned)] == [0, 4, 8, 12, 15]
    for sentence in thinned.left_out:
        assert f"left out of this prompt: {sentence}\n" in text_of(thinned)


@given(st.integers(0, 2**32 - 1), st.integers(1000, 6000), st.sampled_from([ANY, "object 3?", "#1 #2"]))
@settings(max_examples=50)
def test_a_budget_is_kept_and_prompts_repeat(seed, budget, question):
    whole = any_graph(seed)
    try:
        prompt = compose_prompt(whole, question, (), budget=budget)
    except UserError:
        return
    assert prompt.total_tokens <= budget
    assert compose_prompt(whole, question, (), budget=budget) == prompt
    if not prompt.left_out:
        assert prompt == compose_prompt(whole, question, (), budget=10**9)


@pytest.mark.parametrize(
    "question",
    [ANY, pytest.param("object 7?", marks=pytest.mark.slow), "object 7? " * 10_000],
    ids=["any", "one", "long"],
)
def test_a_graph_that_is_far_too_large(question):
    ts = range(200)
    observations = tuple(token(t) for t in ts)
    one = Track(object_id=0, observations=observations, theta=(0, 199))
    tracks = MappingProxyType({k: replace(one, object_id=k) for k in range(500)})
    prompt = compose_prompt(of_tracks(tracks, ego(200)), question, (), budget=100_000)
    assert prompt.total_tokens <= 100_000
    assert len(read(prompt)) == (500 if question == ANY else len(read(prompt)))
    assert 7 in read(prompt)


def test_an_empty_graph_and_one_without_frames():
    assert compose_prompt(graph({}), ANY, (), budget=2000).left_out == ()
    assert compose_prompt(graph({}, 0), ANY, (), budget=2000).left_out == ()
