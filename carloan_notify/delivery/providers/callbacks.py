"""The address that a vendor is given with each message, to push its receipt to."""

from typing import Final
from urllib.parse import quote, urlsplit

from carloan_notify.delivery.provider_settings import LOOPBACK, VendorSettings

ADDRESS: Final = r"^(https?://[^\s?#]+)?$"


def check_address(public_url: str, settings: VendorSettings) -> None:
    """See that receipts can come back to `public_url` in secret; "" has them nowhere.

    Raises:
        ValueError: there is no push secret, the address holds credentials, or numbers and the push secret would
            come back in the clear.
    """
    if not public_url:
        return
    address = urlsplit(public_url)
    if settings.push_secret is None:
        raise ValueError("public_url: receipts need a secret in their address; set push_secret too")
    if "@" in address.netloc:
        raise ValueError("public_url: credentials do not belong in an address")
    if address.scheme == "http" and address.hostname not in LOOPBACK and not settings.allow_plain_http:
        raise ValueError(
            "public_url: phone numbers and push_secret would come back in the clear; "
            "use https:// or set allow_plain_http"
        )


def callback(public_url: str, name: str, settings: VendorSettings) -> str:
    """The address that provider `name` is pushed to, "" when there is none."""
    if not public_url or settings.push_secret is None:
        return ""
    secret = quote(settings.push_secret.get_secret_value(), safe="")
    return f"{public_url.rstrip('/')}/{quote(name, safe='')}/{secret}"
