"""Which server is asked, and what is refused before anything is sent."""

import sys

import pytest

from fast_snow.config import VlmConfig
from fast_snow.errors import ConfigError, UserError
from fast_snow.reasoning.providers import open_model
from fast_snow.reasoning.providers.endpoint import configured_endpoint


def _refusal(config: VlmConfig, environ: dict[str, str]) -> UserError:
    with pytest.raises(UserError) as caught, open_model(config, environ=environ):
        pass
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("config", "variable"),
    [
        (VlmConfig(), "OPENAI_API_KEY"),
        (VlmConfig(provider="google", model="gemini-2.5-flash"), "GEMINI_API_KEY"),
    ],
)
@pytest.mark.parametrize("value", [None, "", "  \n"])
def test_missing_key_is_named(config: VlmConfig, variable: str, value: str | None) -> None:
    refusal = _refusal(config, {} if value is None else {variable: value})
    assert f"export {variable}=…" in str(refusal)
    assert "--vlm.base-url" in str(refusal)


def test_model_of_the_other_provider() -> None:
    refusal = _refusal(VlmConfig(provider="google"), {"GEMINI_API_KEY": "k"})
    assert isinstance(refusal, ConfigError)
    assert "'gpt-5.2' is a model of OpenAI" in str(refusal)
    assert "--vlm.model gemini-" in str(refusal)
    assert "--vlm.provider openai" in str(refusal)
    assert "--vlm.provider google" in str(_refusal(VlmConfig(model="gemini-2.5-flash"), {"OPENAI_API_KEY": "k"}))


@pytest.mark.parametrize("model", ["", "  ", "a\nb", "\udcff"])
def test_text_that_is_no_model(model: str) -> None:
    assert "vlm.model" in str(_refusal(VlmConfig(model=model), {"OPENAI_API_KEY": "k"}))


def test_google_model_that_would_be_another_address() -> None:
    config = VlmConfig(provider="google", model="../x?y=1", base_url="http://localhost")
    assert "vlm.model" in str(_refusal(config, {}))


@pytest.mark.parametrize(
    "address",
    ["", "localhost:8000/v1", "ftp://localhost/v1", "http://", "http://h:99999/v1", "http://[::1/v1", "http://a b/v1"],
)
@pytest.mark.parametrize("provider", ["openai", "google"])
def test_text_that_is_no_address(provider: str, address: str) -> None:
    refusal = _refusal(VlmConfig(provider=provider, base_url=address, model="m"), {})
    assert isinstance(refusal, ConfigError)
    assert "expected a URL like http://localhost:8000/v1" in str(refusal)


def test_providers_own_servers_are_meant_without_address() -> None:
    server = configured_endpoint(VlmConfig(), {"OPENAI_API_KEY": "k"})
    assert (server.name, server.address, server.own) == ("OpenAI", "https://api.openai.com/v1", True)
    assert repr(server.key) == "Key(OPENAI_API_KEY)"


@pytest.mark.parametrize(
    ("missing", "config", "package"),
    [
        ("openai", VlmConfig(), "openai"),
        ("openai", VlmConfig(base_url="http://localhost"), "openai"),
        ("google.genai", VlmConfig(provider="google", model="gemini-2.5-flash"), "google-genai"),
    ],
)
def test_missing_package_is_named(
    missing: str, config: VlmConfig, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefixes = ("fast_snow.reasoning.providers.", missing)
    for name in [name for name in sys.modules if name.startswith(prefixes)]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)
    refusal = _refusal(config, {"OPENAI_API_KEY": "k", "GEMINI_API_KEY": "k"})
    for name in [name for name in sys.modules if name.startswith(prefixes[0])]:
        del sys.modules[name]  # imported again, partly, by this test
    assert f"the package {package} is missing" in str(refusal)
    assert 'uv pip install -e ".[vlm]"' in str(refusal)


@pytest.mark.parametrize(
    ("address", "variable"),
    [
        ("http://models.example/v1", "OPENAI_API_KEY"),
        ("http://192.168.1.5:8000/v1", "OPENAI_API_KEY"),
        ("http://127.0.0.1.example/v1", "OPENAI_API_KEY"),
        ("http://localhost.example/v1", "OPENAI_API_KEY"),
    ],
)
def test_a_key_is_never_sent_for_all_to_read(address: str, variable: str) -> None:
    refusal = _refusal(VlmConfig(base_url=address, model="m"), {variable: "secret"})
    assert "by http, for all on the way to read: use https" in str(refusal)
    assert f"env -u {variable}" in str(refusal)
    assert "secret" not in str(refusal)
    assert not configured_endpoint(VlmConfig(base_url=address, model="m"), {}).key.given


@pytest.mark.parametrize(
    "address",
    ["https://models.example/v1", "http://localhost:8000/v1", "http://127.0.0.2:1/v1", "http://[::1]:8000/v1"],
)
def test_a_key_goes_to_an_address_that_keeps_it(address: str) -> None:
    assert configured_endpoint(VlmConfig(base_url=address, model="m"), {"OPENAI_API_KEY": "k"}).key.value == "k"
