"""Credentials as the settings take them. Nothing is stripped quietly: what is wrong here is wrong where it is kept."""

from typing import Annotated, Final

from pydantic import AfterValidator, SecretStr

_COPY_AGAIN: Final = "; copy it again (a file that holds it may end in a line break)"


def _whole(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError(
            f"begins or ends with a space, or holds a line break or another invisible character{_COPY_AGAIN}"
        )
    return text


def _writable(text: str) -> str:
    """It stands in a header, which carries nothing else: with such a character no message would ever leave."""
    if not text.isascii():
        raise ValueError(f"holds a character that is neither a Latin letter, a digit nor a sign{_COPY_AGAIN}")
    return _whole(text)


def _whole_secret(secret: SecretStr) -> SecretStr:
    _whole(secret.get_secret_value())
    return secret


Credential = Annotated[str, AfterValidator(_writable)]
"""A name or key ID: printable ASCII, no space around it."""
Secret = Annotated[SecretStr, AfterValidator(_whole_secret)]
"""A secret that requests are signed with: printable, no space around it. It never shows."""
