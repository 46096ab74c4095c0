"""What is wrong with a described gateway, all of it at once, before the first message."""

import codecs
import re
from collections.abc import Iterable, Iterator
from functools import cache
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from carloan_notify.delivery.gateway.request import (
    BODY_NAMES,
    FIELD,
    HEADER,
    INQUIRY_NAMES,
    MESSAGE_NAMES,
    PULL_NAMES,
    REQUEST_NAMES,
    SORTED_FIELDS,
    TIMESTAMP,
    VALIDITY_NAMES,
    Stage,
    names_in,
    stages,
)
from carloan_notify.delivery.gateway.settings import (
    GatewaySettings,
    PushSettings,
    RequestSettings,
    ShapeSettings,
)
from carloan_notify.delivery.provider import LOOPBACK
from carloan_notify.records import Outcome


def problems(settings: GatewaySettings) -> list[str]:
    """Every problem as `dotted.path: what; how to fix it`."""
    return [
        *_send_problems(settings),
        *_look_up_problems(settings),
        *_return_problems(settings),
        *_push_problems(settings),
        *_signature_problems(settings),
        *_answer_problems(settings),
    ]


def _send_problems(settings: GatewaySettings) -> Iterator[str]:
    names = {*MESSAGE_NAMES, *VALIDITY_NAMES}
    if settings.batch is not None:
        yield from _unknown("batch.item", settings.batch.item, {*names, *_shared(settings)})
        names = {"items", "batch_reference", *VALIDITY_NAMES}
        if "items" not in names_in(settings.request.body):
            yield 'request.body: a batch has no place; put "{items}" where the list goes'
        if not settings.answer.items:
            yield "answer.items: a batch needs the path of the list with one entry per message"
    yield from _request_problems("request", settings.request, settings, names)


def _look_up_problems(settings: GatewaySettings) -> Iterator[str]:
    if settings.look_up is not None:
        yield from _request_problems("look_up.request", settings.look_up.request, settings, INQUIRY_NAMES)
        yield from _shape_problems("look_up", settings.look_up)


def _return_problems(settings: GatewaySettings) -> Iterator[str]:
    for path, returns in (("receipts", settings.receipts), ("replies", settings.replies)):
        if returns is None:
            continue
        yield from _shape_problems(path, returns)
        if returns.request is not None:
            yield from _request_problems(f"{path}.request", returns.request, settings, PULL_NAMES)
        if returns.time_zone not in _time_zones():
            yield f"{path}.time_zone: {returns.time_zone!r} is no time zone; use a name such as Asia/Shanghai"
    receipts = settings.receipts
    if receipts is not None and not (receipts.reference or receipts.provider_ref):
        yield "receipts.reference: nothing tells which message it is for; give reference or provider_ref"


def _push_problems(settings: GatewaySettings) -> Iterator[str]:
    push = settings.push
    if push is None:
        return
    if settings.receipts is None and settings.replies is None:
        yield "push: neither receipts nor replies are described, so there is nothing to push"
    if (push.signature is not None) != bool(push.signature_header or push.signature_field):
        yield "push.signature: tell both how it is made and where it stands (signature_header or signature_field)"
    for one, other in (("signature_header", "signature_field"), ("timestamp_header", "timestamp_field")):
        if getattr(push, one) and getattr(push, other):
            yield f"push.{one}: give it or {other}, not both"
    if push.signature is not None:
        known = {*settings.values, *BODY_NAMES, SORTED_FIELDS, TIMESTAMP}
        yield from _unknown("push.signature.text", push.signature.text, known, (FIELD, HEADER))
        yield from _unknown("push.signature.key", push.signature.key, known, (FIELD, HEADER))
        if push.signature.algorithm.startswith("hmac_") and not push.signature.key:
            yield f"push.signature.key: {push.signature.algorithm} needs a key"
    yield from _unsigned_time(push)


def _unsigned_time(push: PushSettings) -> Iterator[str]:
    """A time that anybody can write anew keeps no replayed push out."""
    if push.signature is None:
        return
    signing = {*names_in(push.signature.text), *names_in(push.signature.key)}
    covering = {
        "timestamp_header": {TIMESTAMP, HEADER + push.timestamp_header.lower().replace("-", "_")},
        "timestamp_field": {TIMESTAMP, FIELD + push.timestamp_field, SORTED_FIELDS, *BODY_NAMES},
    }
    for option, names in covering.items():
        if getattr(push, option) and not signing & names:
            yield f"push.{option}: the signature does not cover it; let its text use {{{TIMESTAMP}}}"


def _request_problems(
    path: str, request: RequestSettings, settings: GatewaySettings, names: Iterable[str]
) -> Iterator[str]:
    known = {*names, *_shared(settings)}
    for part, node in (("url", request.url), ("headers", request.headers), ("query", request.query)):
        yield from _unknown(f"{path}.{part}", node, known)
    yield from _unknown(f"{path}.body", request.body, known)
    late = {name for name, stage in stages(settings.signatures).items() if stage is Stage.BODY}
    if late & set(names_in(request.body)):
        yield f"{path}.body: a signature over the body cannot stand in the body; use a header or the query"
    if request.body and request.body_format == "none":
        yield f"{path}.body_format: a body needs json, form or xml"
    if request.body_format == "xml" and len(request.body) != 1:
        yield f"{path}.body: XML needs exactly one key, the root element"
    yield from _place_problems(path, request, allow_plain_http=settings.allow_plain_http)


def _place_problems(path: str, request: RequestSettings, *, allow_plain_http: bool) -> Iterator[str]:
    address = urlsplit(request.url)
    if address.scheme == "http" and address.hostname not in LOOPBACK and not allow_plain_http:
        yield f"{path}.url: phone numbers would travel in the clear; use https:// or set allow_plain_http"
    if "@" in address.netloc:
        yield f"{path}.url: credentials do not belong in an address; use `auth`"
    yield from _charset_problems(path, request.charset)
    if request.time_zone not in _time_zones():
        yield f"{path}.time_zone: {request.time_zone!r} is no time zone; use a name such as Asia/Shanghai"


def _charset_problems(path: str, charset: str) -> Iterator[str]:
    try:
        codecs.lookup(charset)
    except LookupError:
        yield f"{path}.charset: {charset!r} is no encoding; use utf-8 or gb18030"


def _signature_problems(settings: GatewaySettings) -> Iterator[str]:
    earlier: set[str] = set()
    for name, signature in settings.signatures.items():
        known = {*_constants(settings), *BODY_NAMES, SORTED_FIELDS, *earlier}
        known |= VALIDITY_NAMES | ({"batch_reference"} if settings.batch else {*MESSAGE_NAMES})
        yield from _unknown(f"signatures.{name}.text", signature.text, known)
        yield from _unknown(f"signatures.{name}.key", signature.key, known)
        if signature.algorithm.startswith("hmac_") and not signature.key:
            yield f"signatures.{name}.key: {signature.algorithm} needs a key"
        earlier.add(name)


def _answer_problems(settings: GatewaySettings) -> Iterator[str]:
    answer = settings.answer
    yield from _shape_problems("answer", answer)
    if answer.items and settings.batch is None:
        yield "answer.items: belongs to a batch; describe `batch` or leave it out"
    if answer.items and not answer.item_code:
        yield "answer.item_code: needed to tell one message's fate from another's"
    codes = answer.codes.get(Outcome.ACCEPTED, [])
    if not codes and Outcome.ACCEPTED not in answer.http_status.values():
        yield "answer.codes.accepted: without it nothing is ever accepted; list the code that means success"
    yield from _twice({str(outcome): listed for outcome, listed in answer.codes.items()})


def _twice(codes: dict[str, list[str]]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for outcome, listed in codes.items():
        for code in listed:
            if seen.setdefault(code, outcome) != outcome:
                yield f"answer.codes.{outcome}: {code!r} is also listed as {seen[code]}; keep one"


def _shape_problems(path: str, shape: ShapeSettings) -> Iterator[str]:
    if (shape.format == "text") != bool(shape.pattern):
        yield f"{path}.pattern: text needs a pattern, and only text has one"
    try:
        re.compile(shape.pattern)
    except re.error as error:
        yield f"{path}.pattern: no regular expression ({error})"
    yield from _charset_problems(path, shape.charset)


def _unknown(path: str, node: object, known: set[str], groups: tuple[str, ...] = ()) -> Iterator[str]:
    groups += ("params.",) if "params" in known else ()
    for name in names_in(node):
        if name not in known and not name.startswith(groups):
            yield f"{path}: {{{name}}} is nothing we know; use one of {', '.join(sorted(known))}"


def _constants(settings: GatewaySettings) -> set[str]:
    return {*settings.values, *REQUEST_NAMES}


def _shared(settings: GatewaySettings) -> set[str]:
    return {*_constants(settings), *settings.signatures}


@cache
def _time_zones() -> frozenset[str]:
    """Every IANA name; finding them walks the disk."""
    return frozenset(available_timezones())
