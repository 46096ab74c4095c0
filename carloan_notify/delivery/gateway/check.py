"""What is wrong with a described gateway, all of it at once, before the first message."""

import codecs
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from carloan_notify.delivery.gateway.settings import GatewaySettings, RequestSettings, ShapeSettings
from carloan_notify.delivery.gateway.signing import BODY_NAMES, SORTED_FIELDS, Stage, stages
from carloan_notify.delivery.gateway.template import names_in
from carloan_notify.delivery.gateway.values import INQUIRY_NAMES, MESSAGE_NAMES, PULL_NAMES, REQUEST_NAMES
from carloan_notify.records import Outcome

LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


def problems(settings: GatewaySettings) -> list[str]:
    """Every problem as `dotted.path: what; how to fix it`."""
    return [
        *_send_problems(settings),
        *_look_up_problems(settings),
        *_signature_problems(settings),
        *_answer_problems(settings),
    ]


def _send_problems(settings: GatewaySettings) -> Iterator[str]:
    names = {*MESSAGE_NAMES}
    if settings.batch is not None:
        yield from _unknown("batch.item", settings.batch.item, {*names, *_shared(settings)})
        names = {"items", "batch_reference"}
        if "items" not in names_in(settings.request.body):
            yield 'request.body: a batch has no place; put "{items}" where the list goes'
        if not settings.answer.items:
            yield "answer.items: a batch needs the path of the list with one entry per message"
    yield from _request_problems("request", settings.request, settings, names)


def _look_up_problems(settings: GatewaySettings) -> Iterator[str]:
    if settings.look_up is not None:
        yield from _request_problems("look_up.request", settings.look_up.request, settings, INQUIRY_NAMES)
        yield from _shape_problems("look_up", settings.look_up)
    if settings.receipts is not None:
        yield from _shape_problems("receipts", settings.receipts)
        if not (settings.receipts.reference or settings.receipts.provider_ref):
            yield "receipts.reference: nothing tells which message it is for; give reference or provider_ref"
        if settings.receipts.request is not None:
            yield from _request_problems("receipts.request", settings.receipts.request, settings, PULL_NAMES)


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
    try:
        codecs.lookup(request.charset)
    except LookupError:
        yield f"{path}.charset: {request.charset!r} is no encoding; use utf-8 or gb18030"
    if request.time_zone not in available_timezones():
        yield f"{path}.time_zone: {request.time_zone!r} is no time zone; use a name such as Asia/Shanghai"


def _signature_problems(settings: GatewaySettings) -> Iterator[str]:
    earlier: set[str] = set()
    for name, signature in settings.signatures.items():
        known = {*_constants(settings), *BODY_NAMES, SORTED_FIELDS, *earlier}
        known |= {"batch_reference"} if settings.batch else {*MESSAGE_NAMES}
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


def _unknown(path: str, node: object, known: set[str]) -> Iterator[str]:
    for name in names_in(node):
        if name not in known and not (name.startswith("params.") and "params" in known):
            yield f"{path}: {{{name}}} is nothing we know; use one of {', '.join(sorted(known))}"


def _constants(settings: GatewaySettings) -> set[str]:
    return {*settings.values, *REQUEST_NAMES}


def _shared(settings: GatewaySettings) -> set[str]:
    return {*_constants(settings), *settings.signatures}
