"""A page of what came back as text, to keep it in the spool, and back."""

import base64
import json
from dataclasses import asdict
from datetime import datetime

from carloan_notify.delivery.provider import ReturnPage
from carloan_notify.records import Receipt, Reply


def text_of(provider: str, page: ReturnPage) -> str:
    """Everything in a page but where the next one stands, in ASCII, whatever characters are in it."""
    return json.dumps(
        {
            "provider": provider,
            "receipts": [asdict(receipt) for receipt in page.receipts],
            "replies": [asdict(reply) for reply in page.replies],
            "problems": page.problems,
            "unread": base64.b64encode(page.unread).decode(),
        },
        default=datetime.isoformat,
    )


def page_of(text: str) -> tuple[str, ReturnPage]:
    """Provider and page again. Raises `ValueError`, `LookupError` or `TypeError` when the text is none."""
    fields = json.loads(text)
    page = ReturnPage(
        receipts=tuple(
            Receipt(**{**each, "occurred_at": datetime.fromisoformat(each["occurred_at"])})
            for each in fields["receipts"]
        ),
        replies=tuple(
            Reply(**{**each, "received_at": datetime.fromisoformat(each["received_at"])})
            for each in fields["replies"]
        ),
        problems=tuple(fields["problems"]),
        unread=base64.b64decode(fields["unread"]),
    )
    return fields["provider"], page
