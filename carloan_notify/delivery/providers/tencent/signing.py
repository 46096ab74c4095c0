"""TC3-HMAC-SHA256, the signature of Tencent Cloud's API 3.0.

Source: Tencent Cloud's signature document (382/52072) and `tencentcloud/common/sign.py` of its Python SDK,
whose requests `tests/data/wire/tencent.json` holds.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

ALGORITHM: Final = "TC3-HMAC-SHA256"
CONTENT_TYPE: Final = "application/json"
SIGNED_HEADERS: Final = "content-type;host"


@dataclass(frozen=True, slots=True)
class Key:
    """An API key."""

    secret_id: str = field(repr=False)
    secret_key: str = field(repr=False)


def canonical_request(host: str, body: bytes) -> str:
    """A POST of JSON to `/` in the form that is signed. `host` is the Host header, in small letters."""
    return "\n".join(
        (
            "POST",
            "/",
            "",
            f"content-type:{CONTENT_TYPE}",
            f"host:{host}",
            "",
            SIGNED_HEADERS,
            hashlib.sha256(body).hexdigest(),
        )
    )


def authorization(key: Key, service: str, canonical: str, now: datetime) -> str:
    """The Authorization header of a request. `now` is aware; `service` is sms or vms."""
    scope = f"{now.astimezone(UTC):%Y-%m-%d}/{service}/tc3_request"
    to_sign = "\n".join(
        (ALGORITHM, str(int(now.timestamp())), scope, hashlib.sha256(canonical.encode()).hexdigest())
    )
    secret = f"TC3{key.secret_key}".encode()
    for part in scope.split("/"):
        secret = hmac.digest(secret, part.encode(), "sha256")
    signature = hmac.digest(secret, to_sign.encode(), "sha256").hex()
    return (
        f"{ALGORITHM} Credential={key.secret_id}/{scope}, "
        f"SignedHeaders={SIGNED_HEADERS}, Signature={signature}"
    )
