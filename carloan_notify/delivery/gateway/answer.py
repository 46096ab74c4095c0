"""Reads an answer: text to fields, fields to codes, codes to outcomes. In doubt it says UNKNOWN."""

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET

from carloan_notify.delivery.codes import CodeTable, of_whole_request, public_code
from carloan_notify.delivery.gateway.settings import AnswerSettings, ShapeSettings
from carloan_notify.delivery.http import WireAnswer, retry_after, safe_root
from carloan_notify.delivery.provider import UNLISTED_CODE, one_per_message, same_for_all
from carloan_notify.delivery.vendor import by_status
from carloan_notify.records import OutboundMessage, Outcome, SendResult

MOST_FIELDS: Final = 1000
"""Fields of a form; more are no form of a gateway."""
_UNSTORABLE: Final = re.compile("[\x00\ud800-\udfff]")
"""JSON may carry a NUL and half of a surrogate pair; no database and no log can."""


class UnreadableError(ValueError):
    """The answer is not of the described form."""


def fields_of(body: bytes, shape: ShapeSettings) -> Any:  # noqa: ANN401 - an answer is any JSON value
    """The answer as nested mappings and lists.

    Raises:
        UnreadableError: HTML, truncated or otherwise not of the described form.
    """
    try:
        text = body.decode("utf-8-sig" if shape.charset == "utf-8" else shape.charset)
        if shape.format == "json":
            return json.loads(text)
        if shape.format == "xml":
            return _xml_fields(text)
        if shape.format == "form":
            return form_fields(text, shape.charset)
        match = re.search(shape.pattern, text)
    except (ValueError, RecursionError) as error:
        raise UnreadableError from error
    if match is None:
        raise UnreadableError
    return match.groupdict()


def form_fields(text: str, charset: str) -> dict[str, str]:
    """The fields of a form or a query; the last of a name counts.

    Raises:
        ValueError: it is none, or has too many.
    """
    pairs = parse_qsl(
        text,
        keep_blank_values=True,
        strict_parsing=True,
        encoding=charset,
        errors="strict",
        max_num_fields=MOST_FIELDS,
    )
    return dict(pairs)


def _xml_fields(text: str) -> dict[str, Any]:
    root = safe_root(text)
    return {root.tag: _element_fields(root)}


def _element_fields(element: ET.Element) -> Any:  # noqa: ANN401 - text, mapping or list
    if len(element) == 0 and not element.attrib:
        return element.text or ""
    fields: dict[str, Any] = {f"@{name}": value for name, value in element.attrib.items()}
    for child in element:
        value = _element_fields(child)
        earlier = fields.get(child.tag)
        fields[child.tag] = (
            value if earlier is None else [*(earlier if isinstance(earlier, list) else [earlier]), value]
        )
    return fields


def at(fields: Any, path: str) -> Any:  # noqa: ANN401 - any JSON value
    """What stands at a dotted path (`data.results.0.code`), None when nothing does; "" is the whole."""
    if isinstance(fields, dict) and path and "." not in path:  # most of every batch's items
        return fields.get(path)
    for step in path.split(".") if path else ():
        if isinstance(fields, dict):
            fields = fields.get(step)
        elif isinstance(fields, list) and step.isdecimal() and int(step) < len(fields):
            fields = fields[int(step)]
        else:
            return None
    return fields


def text_at(fields: Any, path: str) -> str:  # noqa: ANN401 - any JSON value
    """The text or number at a path, "" when there is none; true and false as JSON writes them.

    NUL and lone surrogates are left out.
    """
    value = at(fields, path) if path else None
    if isinstance(value, str):
        return (value if value.isprintable() else _UNSTORABLE.sub("", value)).strip()
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else ""


def list_at(fields: Any, path: str) -> list[Any]:  # noqa: ANN401 - any JSON value
    """The list at a path; XML writes a list of one like a single element."""
    value = at(fields, path)
    return value if isinstance(value, list) else [] if value in (None, "") else [value]


class AnswerReader:
    """A described answer, read once per request."""

    def __init__(self, settings: AnswerSettings) -> None:
        self._settings = settings
        self._table = CodeTable(settings.codes)

    def read(self, answer: WireAnswer, batch: Sequence[OutboundMessage], now: datetime) -> list[SendResult]:
        """One result per message. The status decides where the table or HTTP says so, else the code."""
        settings, wait = self._settings, retry_after(answer.headers, now)
        listed = settings.http_status.get(answer.status)
        if listed is not None and (listed is not Outcome.ACCEPTED or not settings.code):
            return of_whole_request(same_for_all(batch, listed, answer.code, retry_after_s=wait))
        try:
            fields = fields_of(answer.body, settings)
        except UnreadableError:
            return by_status(answer, batch, now)
        code = text_at(fields, settings.code)
        outcome = self._table.get(code) if code else None
        if outcome not in (None, Outcome.ACCEPTED):
            return of_whole_request(same_for_all(batch, outcome, public_code(code), retry_after_s=wait))
        if outcome is None and (settings.code or not settings.items):
            unlisted = code and answer.ok
            what = same_for_all(batch, Outcome.UNKNOWN, public_code(code), UNLISTED_CODE)
            return what if unlisted else by_status(answer, batch, now, "no_code_in_answer")
        if not answer.ok:  # a body that says yes under a status that says no
            return by_status(answer, batch, now, "contradicting_answer")
        return self._taken(fields, code, batch)

    def _taken(self, fields: Any, code: str, batch: Sequence[OutboundMessage]) -> list[SendResult]:  # noqa: ANN401 - any JSON value
        if self._settings.items:
            return self._items(list_at(fields, self._settings.items), batch)
        reference = text_at(fields, self._settings.provider_ref)
        return [SendResult(m.message_id, Outcome.ACCEPTED, reference, public_code(code)) for m in batch]

    def _items(self, items: list[Any], batch: Sequence[OutboundMessage]) -> list[SendResult]:
        path = self._settings.item_reference
        if not path and len(items) != len(batch):
            return same_for_all(batch, Outcome.UNKNOWN, "batch_answer_of_other_length")
        ids = [text_at(item, path) for item in items] if path else [m.message_id for m in batch]
        return one_per_message(batch, [self._item(i, item) for i, item in zip(ids, items, strict=True)])

    def _item(self, message_id: str, item: Any) -> SendResult:  # noqa: ANN401 - any JSON value
        code = text_at(item, self._settings.item_code)
        outcome = self._table.get(code)
        if outcome is None:
            return SendResult(message_id, Outcome.UNKNOWN, code=public_code(code), detail=UNLISTED_CODE)
        reference = text_at(item, self._settings.item_provider_ref)
        return SendResult(message_id, outcome, reference, public_code(code))
