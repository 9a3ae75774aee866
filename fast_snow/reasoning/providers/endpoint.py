"""Which server is asked, and with which key: keys come from the environment and are shown nowhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from fast_snow.addresses import keeps_secrets
from fast_snow.config import VlmConfig, VlmProvider
from fast_snow.errors import ConfigError, UserError

_OWNER: Mapping[VlmProvider, str] = {"openai": "OpenAI", "google": "Google"}
_ADDRESS: Mapping[VlmProvider, str] = {
    "openai": "https://api.openai.com/v1",
    "google": "https://generativelanguage.googleapis.com",
}
# Where both are set, Google's own client takes the first one too.
_KEYS: Mapping[VlmProvider, tuple[str, ...]] = {
    "openai": ("OPENAI_API_KEY",),
    "google": ("GOOGLE_API_KEY", "GEMINI_API_KEY"),
}
_MODELS: Mapping[VlmProvider, tuple[str, ...]] = {
    "openai": ("gpt-", "chatgpt-", "o1", "o3", "o4"),
    "google": ("gemini-", "gemma-", "models/"),
}
_EXAMPLE: Mapping[VlmProvider, str] = {"openai": "gpt-5.2", "google": "gemini-3.5-flash"}
NO_KEY = "no-key"
"""What is sent where a local server was given no key; servers without keys ignore it."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Key:
    """A secret that does not show itself, and its variable in the environment.

    Where none is given, the value is what is sent instead.
    """

    value: str
    variable: str
    given: bool = True

    def __repr__(self) -> str:
        return f"Key({self.variable if self.given else 'none'})"

    def hidden_in(self, text: str) -> str:
        """Return a text without the key, should a server have repeated it."""
        return text.replace(self.value, "***") if self.given else text


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A server that speaks a provider's API, the provider's own or another; the name is for messages."""

    name: str
    address: str
    own: bool
    key: Key
    config: VlmConfig

    @property
    def label(self) -> str:
        """The server and its model, for messages."""
        return f"{self.name}: {self.config.model}"

    @property
    def temperature(self) -> float | None:
        """The temperature where it is to be sent: models that think refuse even their own default."""
        return None if self.own and self.config.temperature == 1 else self.config.temperature


def configured_endpoint(config: VlmConfig, environ: Mapping[str, str]) -> Endpoint:
    """Return the server that the configuration names.

    Raises:
        UserError: no key is set.
        ConfigError: the address is none, or would show the key on the way, or the model is another provider's.
    """
    own = config.base_url is None
    _expect_name(config)
    if own:
        _expect_model_of(config)
    address = _checked(config.base_url) if config.base_url is not None else _ADDRESS[config.provider]
    key = _find_key(_KEYS[config.provider], _OWNER[config.provider], environ, optional=not own)
    if key.given and not keeps_secrets(address):
        raise ConfigError(
            f"vlm.base_url: {address} would get the key of {key.variable} by http, for all on the way to read: use"
            f" https, or ask without the key: env -u {key.variable} fast-snow …"
        )
    name = _OWNER[config.provider] if own else address
    return Endpoint(name=name, address=address, own=own, key=key, config=config)


def _find_key(variables: Sequence[str], whose: str, environ: Mapping[str, str], *, optional: bool) -> Key:
    """Return the key in the first variable that is set; where none is, no key if it is optional, else a UserError."""
    variable = next((each for each in variables if environ.get(each, "").strip()), None)
    if variable is None:
        if optional:
            return Key(NO_KEY, variables[-1], given=False)
        raise UserError(
            f"no key for {whose}: set it with export {variables[-1]}=…, or use a server of your own with --vlm.base-url"
        )
    value = environ[variable].strip()
    # A client that cannot put a key into a header shows it in its complaint.
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ConfigError(
            f"{variable}: contains whitespace or non-ASCII characters: expected the key alone, without quotes"
        )
    return Key(value, variable)


def _expect_name(config: VlmConfig) -> None:
    """Refuse what cannot be a model's name; Google's stands in the address."""
    no_path = config.provider == "google" and any(each in config.model for each in ("..", "?", "&"))
    if not config.model.strip() or not config.model.isprintable() or no_path:
        raise ConfigError(f"vlm.model: got {config.model!r}, expected a model name")


def _expect_model_of(config: VlmConfig) -> None:
    """Refuse a model that is plainly the other provider's."""
    for provider, prefixes in _MODELS.items():
        if provider != config.provider and config.model.startswith(prefixes):
            raise ConfigError(
                f"vlm.model: {config.model!r} is a model of {_OWNER[provider]}, but vlm.provider is {config.provider}:"
                f" name a model of {_OWNER[config.provider]}, like --vlm.model {_EXAMPLE[config.provider]}, or choose"
                f" --vlm.provider {provider}"
            )


def _checked(address: str) -> str:
    """Refuse what is no address, and secrets in an address: it is written to files and shown in messages."""
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        raise ConfigError(f"vlm.base_url: got {address!r}, expected a URL like http://localhost:8000/v1") from None
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(
            "vlm.base_url: holds a user name, a password or a query, which would be written to files: expected the"
            " URL alone, like http://localhost:8000/v1; keys belong in the environment"
        )
    blank = any(each.isspace() or not each.isprintable() for each in address)
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or blank:
        raise ConfigError(f"vlm.base_url: got {address!r}, expected a URL like http://localhost:8000/v1")
    return address.rstrip("/")
