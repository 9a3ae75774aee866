"""Keys come from the environment, go to the server, and are shown nowhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fast_snow.errors import ConfigError, UserError

NO_KEY = "no-key"
"""What is sent where a local server was given no key; servers without keys ignore it."""


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Key:
    """A secret that does not show itself.

    Attributes:
        value: the secret, or what is sent where there is none.
        variable: of the environment, in which it belongs.
        given: whether there is a key.
    """

    value: str
    variable: str
    given: bool = True

    def __repr__(self) -> str:
        return f"Key({self.variable if self.given else 'none'})"

    def hidden_in(self, text: str) -> str:
        """Return a text without the key, should a server have repeated it."""
        return text.replace(self.value, "***") if self.given else text


def find(variables: Sequence[str], whose: str, environ: Mapping[str, str], *, optional: bool) -> Key:
    """Return the key of a provider.

    Args:
        variables: of the environment, the first one that is set counts.
        whose: the provider's name.
        environ: the environment.
        optional: whether the server may do without.

    Raises:
        UserError: no key is set.
        ConfigError: what is set cannot be sent as a key.
    """
    variable = next((each for each in variables if environ.get(each, "").strip()), None)
    if variable is None:
        if optional:
            return Key(NO_KEY, variables[-1], given=False)
        raise UserError(
            f"no key for {whose}: expected it in the environment: export {variables[-1]}=…; or ask a server of your own"
            " with --vlm.base-url"
        )
    value = environ[variable].strip()
    # A client that cannot put a key into a header shows it in its complaint.
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise ConfigError(
            f"{variable}: holds blanks or characters that no key has: expected the key alone, without quotes and text"
        )
    return Key(value, variable)
