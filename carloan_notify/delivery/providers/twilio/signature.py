"""Whether a request comes from Twilio: X-Twilio-Signature, as in the vendor's RequestValidator 9.13.0.

base64(HMAC-SHA1(auth token, URL + every form field's name and value, sorted by name)). A JSON body is not part
of it: the URL then carries its SHA-256 as `bodySHA256`. Twilio is not consistent about the port in the URL.
"""

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping, Sequence
from urllib.parse import parse_qs, urlsplit

Form = Mapping[str, Sequence[str]]


def is_genuine(token: str, signature: str, urls: Iterable[str], form: Form) -> bool:
    """Whether the signature of a form fits one of the addresses that the request may have had."""
    return any(
        _same(signature_of(token, variant, form), signature) for url in urls for variant in with_ports(url)
    )


def is_genuine_json(token: str, signature: str, urls: Sequence[str], body: bytes) -> bool:
    """The same for a body that is no form; without `bodySHA256` in the address nothing vouches for it."""
    digest = hashlib.sha256(body).hexdigest()
    vouching = [url for url in urls if parse_qs(urlsplit(url).query).get("bodySHA256") == [digest]]
    return is_genuine(token, signature, vouching, {})


def signature_of(token: str, url: str, form: Form) -> str:
    """The signature Twilio gives; a value that is sent twice counts once."""
    signed = url + "".join(name + value for name in sorted(form) for value in sorted(set(form[name])))
    digest = hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def with_ports(url: str) -> tuple[str, str]:
    """The address without and with its port; the usual one where it names none."""
    address = urlsplit(url)
    host = f"[{address.hostname}]" if ":" in (address.hostname or "") else address.netloc.rsplit(":", 1)[0]
    port = address.port or (443 if address.scheme == "https" else 80)
    return address._replace(netloc=host).geturl(), address._replace(netloc=f"{host}:{port}").geturl()


def _same(ours: str, theirs: str) -> bool:
    return hmac.compare_digest(ours.encode(), theirs.encode())
