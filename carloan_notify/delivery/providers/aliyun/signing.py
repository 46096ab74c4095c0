"""Alibaba Cloud's OpenAPI requests and their signature, ACS3-HMAC-SHA256.

Measured against the vendor's own SDK (tests/data/wire/aliyun.json): the key is the raw secret; a space is `+`
on the wire and `%20` in the canonical form; every header that is sent is signed but those of HTTP itself.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlencode, urlsplit

from pydantic import SecretStr

from carloan_notify.delivery.wire import WireRequest

ALGORITHM: Final = "ACS3-HMAC-SHA256"
VERSION: Final = "2017-05-25"
"""Of dysmsapi, dyvmsapi and dybaseapi alike."""


@dataclass(frozen=True, slots=True)
class Call:
    """An action with its parameters: in the query, and in a form when there is one. They hold personal data."""

    action: str
    query: Mapping[str, str] = field(repr=False)
    form: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class AccessKey:
    """Who signs."""

    key_id: str
    secret: SecretStr


def signed(call: Call, base_url: str, key: AccessKey, now: datetime, nonce: str) -> WireRequest:
    """The request as it goes out. `now` is aware; `nonce` is never used twice."""
    body = urlencode(sorted(call.form.items())).encode()
    headers = {
        "host": urlsplit(base_url).netloc,
        "accept": "application/json",
        "x-acs-action": call.action,
        "x-acs-version": VERSION,
        "x-acs-date": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "x-acs-signature-nonce": nonce,
        "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
    }
    if body:
        headers["content-type"] = "application/x-www-form-urlencoded"
    headers["Authorization"] = _authorization(call.query, headers, key)
    return WireRequest(
        "POST", f"{base_url.rstrip('/')}/?{urlencode(sorted(call.query.items()))}", headers, body
    )


def _authorization(query: Mapping[str, str], headers: Mapping[str, str], key: AccessKey) -> str:
    names = ";".join(sorted(headers))
    asked = "&".join(f"{name}={quote(query[name], safe='~')}" for name in sorted(query))
    lines = "".join(f"{name}:{headers[name].strip()}\n" for name in sorted(headers))
    canonical = f"POST\n/\n{asked}\n{lines}\n{names}\n{headers['x-acs-content-sha256']}"
    to_sign = f"{ALGORITHM}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signature = hmac.new(key.secret.get_secret_value().encode(), to_sign.encode(), hashlib.sha256)
    return f"{ALGORITHM} Credential={key.key_id},SignedHeaders={names},Signature={signature.hexdigest()}"
