"""What looks like a credential in a configuration: by its option's name, or inside an address."""

import re
from typing import Final
from urllib.parse import unquote

from carloan_notify.config.references import REFERENCE

_SECRET: Final = re.compile(
    r"(?:password|passwd|passphrase|pwd|secret|token|credential|authorization|key"
    r"|(?:^|_)(?:pass|auth|pin|sign|signature))s?_?\d*$"
)
"""The last word decides: `sign_key` is a secret, `key_file`, `sign_name` and `token_lifetime` are none."""
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BEFORE_HOST: Final = (
    re.compile(r"https?://[^/?#@]*?:([^/?#@]*)@"),
    re.compile(r"(?!https?:)[A-Za-z][\w+.-]*://[^:/@]*:([^@]*)@"),  # as SQLAlchemy reads it
)
_ADDRESS: Final = re.compile(r"[A-Za-z][\w+.-]*://\S+$")
_PARAMETER: Final = re.compile(r"[?&]([^=&#]+)=([^&#]*)")
_PLACEHOLDER: Final = re.compile(r"\{\w+\}")


def names_a_secret(name: str) -> bool:
    """Whether an option of this name (`app_secret`, `signKey`, `X-Api-Key`) holds a credential."""
    words = _HUMP.sub("_", name).replace("-", "_").replace(".", "_").lower()
    return _SECRET.search(words) is not None


def is_literal(value: object) -> bool:
    """Whether a value stands there in so many words: a number, or text that takes nothing from elsewhere.

    Text with other than ASCII characters is no credential but something to read, such as a message's sign.
    """
    if isinstance(value, list):
        return any(map(is_literal, value))
    if isinstance(value, str):
        return value.isascii() and _says_itself(value)
    return isinstance(value, int) and not isinstance(value, bool)


def address_with_password(text: str) -> bool:
    """Whether an address holds a password in so many words, before the host or as a parameter."""
    if not _ADDRESS.match(text):
        return False
    before = [found[1] for pattern in _BEFORE_HOST if (found := pattern.match(text))]
    parameters = [value for name, value in _PARAMETER.findall(text) if names_a_secret(unquote(name))]
    return any(map(_says_itself, [*before, *parameters]))


def _says_itself(text: str) -> bool:
    """Neither empty, nor `${NAME}` in it, nor the `{name}` of a gateway's description."""
    return bool(text) and not REFERENCE.search(text) and not _PLACEHOLDER.search(text)
