"""Huawei Cloud's request signature, SDK-HMAC-SHA256, as in the vendor's SDK 3.1.219 (`core/signer`)."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Final

ALGORITHM: Final = "SDK-HMAC-SHA256"
DATE: Final = "x-sdk-date"
DATE_FORMAT: Final = "%Y%m%dT%H%M%SZ"


def authorization(app_key: str, app_secret: str, path: str, headers: Mapping[str, str], body: bytes) -> str:
    """The Authorization of a POST without a query.

    All of `headers` are signed; names are in small letters and include host and x-sdk-date.
    """
    signed = ";".join(sorted(headers))
    digest = hashlib.sha256(_canonical(path, headers, signed, body)).hexdigest()
    told = f"{ALGORITHM}\n{headers[DATE]}\n{digest}"
    signature = hmac.new(app_secret.encode(), told.encode(), hashlib.sha256).hexdigest()
    return f"{ALGORITHM} Access={app_key}, SignedHeaders={signed}, Signature={signature}"


def _canonical(path: str, headers: Mapping[str, str], signed: str, body: bytes) -> bytes:
    """The request as it is signed. Its path ends in a slash, the one on the wire does not."""
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
    parts = ("POST", f"{path}/", "", lines, signed, hashlib.sha256(body).hexdigest())
    return "\n".join(parts).encode()
