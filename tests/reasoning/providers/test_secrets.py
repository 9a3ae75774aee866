"""The key goes to the server and is shown nowhere: no log, message, traceback, repr or warning."""

import logging
import traceback

import pytest

from fast_snow.errors import ConfigError, FastSnowError, UserError
from fast_snow.reasoning.providers import open_model
from tests.reasoning.loopback.servers import (
    KEY,
    MODEL,
    Behaviour,
    CutShort,
    Deny,
    Hang,
    Protocol,
    Raw,
    Reset,
    Say,
    serving,
)
from tests.reasoning.providers.asking import DISTANCE, QUESTION, WORDS, asking, every_protocol

ENDS: dict[str, Behaviour] = {
    "answer": Say(text="Left.", thought=True),
    "key refused": Deny(status=401, message=f"Incorrect API key provided: {KEY}."),
    "key repeated in HTML": Raw(status=500, body=f"<p>Authorization: Bearer {KEY}</p>".encode()),
    "key repeated in an answer": Raw(body=f'{{"error": {{"message": "{KEY}"}}, "output": []}}'.encode()),
    "key repeated in a refusal": Say(refusal=f"You sent {KEY}"),
    "redirect": Deny(status=302, headers={"Location": "http://elsewhere.test/"}),
    "malformed": Raw(body=f"{KEY} is no JSON".encode()),
    "misshapen": Raw(body=f'{{"output": "{KEY}", "choices": "{KEY}", "candidates": "{KEY}"}}'.encode()),
    "reset": Reset(),
    "cut short": CutShort(),
    "timeout": Hang(),
}


def _with_locals(error: Exception) -> list[str]:
    """Return everything that a traceback can show, but for the test's own frame, which holds the key."""
    assert error.__traceback__ is not None
    formatted = traceback.TracebackException(type(error), error, error.__traceback__.tb_next, capture_locals=True)
    assert formatted.__cause__ is formatted.__context__ is None
    return list(formatted.format())


@every_protocol
@pytest.mark.parametrize("end", ENDS)
def test_key_is_in_no_log_message_traceback_or_repr(
    protocol: Protocol, end: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    shown: list[str] = []
    timeout_s = 0.3 if end == "timeout" else 60.0
    with serving(protocol, [ENDS[end]]) as server, asking(server, max_retries=0, timeout_s=timeout_s) as model:
        shown.append(repr(model))
        try:
            shown.append(repr(model("", [QUESTION], [DISTANCE])))
        except FastSnowError as error:
            shown += [repr(error), *_with_locals(error)]
    assert KEY in str(server.asked[0].headers), "the key did not arrive, so this test shows nothing"
    logged = [f"{each.getMessage()} {vars(each)}" for each in caplog.records]
    assert logged, "nothing was logged, so this test shows nothing"
    assert [each for each in (*shown, *logged, *capsys.readouterr()) if KEY in each] == []


@every_protocol
def test_key_with_a_line_break_around_it_is_taken(protocol: Protocol) -> None:
    one = serving(protocol, [Say(text="Left.")])
    with one as server, open_model(server.config(), environ={server.variable: f" {KEY}\n"}) as model:
        assert model("", [WORDS]).turn.text == "Left."


@every_protocol
@pytest.mark.parametrize("wrong", ["sk two words", "sk-“quoted”", "sk-\nX-Header: 1", "sk-\x00"])
def test_text_that_is_no_key_is_refused_unseen(protocol: Protocol, wrong: str) -> None:
    with serving(protocol, []) as server:
        model = open_model(server.config(), environ={server.variable: wrong})
    with pytest.raises(ConfigError, match=server.variable) as caught, model:
        pass
    assert wrong not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(("environ", "sent"), [({"GOOGLE_API_KEY": KEY, "GEMINI_API_KEY": "other"}, KEY)])
def test_google_key_of_two_is_the_one_that_googles_client_takes(environ: dict[str, str], sent: str) -> None:
    with serving("google", [Say(text="Left.")]) as server, open_model(server.config(), environ=environ) as model:
        model("", [WORDS])
    assert server.asked[0].headers["x-goog-api-key"] == sent


def test_environment_of_the_clients_does_not_lead_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_BASE_URL", "GOOGLE_GEMINI_BASE_URL"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/elsewhere")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-another")
    for protocol in ("responses", "google"):
        with serving(protocol, [Say(text="Left.")]) as server, asking(server) as model:
            assert model("", [WORDS]).turn.text == "Left."


def test_proxy_that_cannot_be_used_is_told_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "sock5s://user:hunter2@proxy.test:1")
    with serving("chat", []) as server, pytest.raises(ConfigError, match="HTTP_PROXY") as caught, asking(server):
        pass
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("address", [f"http://user:{KEY}@127.0.0.1/v1", f"http://127.0.0.1/v1?key={KEY}"])
def test_secret_in_an_address_is_refused_unseen(address: str) -> None:
    with serving("chat", []) as server, pytest.raises(UserError) as caught, asking(server, base_url=address):
        pass
    assert KEY not in str(caught.value)
    assert MODEL not in str(caught.value)
