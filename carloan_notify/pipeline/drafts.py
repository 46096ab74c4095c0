"""From decisions to messages: word each queued notice, or hold it and say why; slices of columns, not rows."""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from itertools import compress, product
from typing import Any, Final

import pandas as pd

from carloan_notify import frames
from carloan_notify.messages.context import parameters
from carloan_notify.messages.render import CompiledTemplate, RenderFailure, TemplateSet
from carloan_notify.notices.decide import KEYS, Identity
from carloan_notify.pipeline.wording import MessageValues, Told, Wording, days_or_none, in_common, queued
from carloan_notify.records import Channel, CoveredNotice, Decision, Draft, MessageClass, Rendered

REFERENCE_LENGTH = 26
_BASE32: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_PAIRS: Final = tuple(map("".join, product(_BASE32, repeat=2)))
"""Two digits of base 32 (RFC 4648) at a time: the library's own encoder takes five times as long."""
_TEN_BITS: Final = 1023
_REFERENCE_BYTES: Final = 17
_SPARE_BITS: Final = 8 * _REFERENCE_BYTES - 5 * REFERENCE_LENGTH
_SHIFTS: Final = range(5 * REFERENCE_LENGTH - 10, -1, -10)
SLICE: Final = 20_000
"""Messages that are worded together: enough that columns pay, few enough that their values take little memory."""

Params = Mapping[str, str]
_GROUPED: Final = ["template", "language", "channel"]


@dataclass(frozen=True, slots=True)
class WordedSlice:
    """Some messages: their `rows` (frames.DECISIONS), their words and their values as plain texts.

    `language` of the rows is that of the words, which may be another than the person's (`messages.fallback`).
    """

    rows: pd.DataFrame
    rendered: Sequence[Rendered]
    params: Sequence[Params]

    def without(self, keys: Collection[str]) -> "WordedSlice":
        """The same messages without those of these keys."""
        stays = ~frames.among(self.rows["idempotency_key"], keys).to_numpy()
        return WordedSlice(
            self.rows[stays], list(compress(self.rendered, stays)), list(compress(self.params, stays))
        )


@dataclass(frozen=True, slots=True)
class Drafted:
    """The messages of a night. `failures` maps the key of a notice that could not be worded to the reason.

    `merged` are the rows that other messages tell; `references` is the night's key of references.
    """

    references: str
    slices: tuple[WordedSlice, ...]
    merged: pd.DataFrame
    failures: Mapping[str, RenderFailure]

    def __len__(self) -> int:
        """How many messages there are."""
        return sum(len(part.rendered) for part in self.slices)

    def __iter__(self) -> Iterator[Draft]:
        """The messages, made slice by slice, in the order of the decisions."""
        covers = _merged_covers(self.merged)
        for part in self.slices:
            yield from _drafts(self.references, part, covers)

    def anew(self, other: "Drafted") -> "Drafted":
        """The same messages, but those that `other` words are told in its words."""
        keys = [key for part in other.slices for key in part.rows["idempotency_key"].tolist()]
        kept = tuple(part.without(keys) for part in self.slices)
        return replace(self, slices=(*kept, *other.slices))

    def segments(self) -> Counter[Channel]:
        """Parts of all messages, by channel."""
        counts: Counter[Channel] = Counter()
        for part in self.slices:
            for channel, rendered in zip(part.rows["channel"].tolist(), part.rendered, strict=True):
                counts[Channel(channel)] += rendered.segments
        return counts

    def findings(self) -> pd.DataFrame:
        """One finding (frames.FINDINGS) per way in which a template failed."""
        told = sorted({(failure.code.value, failure.message) for failure in self.failures.values()})
        return frames.stack([frames.findings(code, [""], message) for code, message in told], frames.FINDINGS)


def reference_key(identity: Identity, run_id: str) -> str:
    """What the references of a run are made with, a keyed hash of it: nobody can find out from one whom it tells.

    Evidence about one customer holds the references of others, whose loans could else be guessed.
    """
    return identity.ref(f"run|{run_id}")


def message_reference(key: str, idempotency_key: str) -> str:
    """Our reference for a message: 26 characters A-Z 2-7, the same whenever the same run words the same notice.

    `key` is the run's (`reference_key`).
    """
    digest = hashlib.sha256(f"{key}|{idempotency_key}".encode()).digest()
    bits = int.from_bytes(digest[:_REFERENCE_BYTES], "big") >> _SPARE_BITS
    return "".join([_PAIRS[bits >> shift & _TEN_BITS] for shift in _SHIFTS])


def draft_messages(
    references: str, decisions: pd.DataFrame, told: Told, templates: TemplateSet, wording: Wording
) -> Drafted:
    """Word every queued row of `decisions` (frames.DECISIONS); rows merged into it become what it covers."""
    rows, failures = queued(decisions), dict[str, RenderFailure]()
    extras = [str(name) for name in told.loans.columns if name not in frames.LOANS]
    common = in_common(decisions, told, extras, wording.currency)
    tonight, slices = told.of(rows["loan_id"]), []
    for start in range(0, len(rows), SLICE):
        part = rows.iloc[start : start + SLICE].reset_index(drop=True)
        sheet_of = partial(MessageValues, wording, tonight.of(part["loan_id"]), common)
        slices.append(_worded(part, failures, sheet_of, templates))
    return Drafted(references, tuple(slices), decisions[decisions["merged_into"] != ""], failures)


def hold_failures(decisions: pd.DataFrame, failures: Mapping[str, RenderFailure]) -> pd.DataFrame:
    """The same decisions, with what could not be worded held, and what was merged into it held with it."""
    if not failures:
        return decisions
    held = decisions.copy()
    told_by = held["merged_into"].where(held["merged_into"] != "", held["idempotency_key"])
    failed = told_by.isin(list(failures))
    held.loc[failed, "decision"] = Decision.HELD.value
    held.loc[failed, "reason"] = told_by[failed].map(lambda key: failures[key].code)
    held.loc[failed, "merged_into"] = ""
    return held


def _worded(
    rows: pd.DataFrame,
    failures: dict[str, RenderFailure],
    sheet_of: Callable[[pd.DataFrame], MessageValues],
    templates: TemplateSet,
) -> WordedSlice:
    """The messages of some rows, template by template; what cannot be worded goes into `failures`."""
    words: list[Rendered | RenderFailure | None] = [None] * len(rows)
    params: list[Params] = [{}] * len(rows)
    languages: list[str] = rows["language"].tolist()
    kinds: dict[tuple[str, str, str], list[int]] = {}
    for place, kind in enumerate(zip(*(rows[name].tolist() for name in _GROUPED), strict=True)):
        kinds.setdefault(kind, []).append(place)
    for (template, language, channel), places in kinds.items():
        found = templates.find(template, language, Channel(channel))
        sheet = sheet_of(rows.iloc[places])
        rendered = _rendered(found, sheet, len(places))
        values = _params(found, sheet, rendered, templates)
        spoken = language if isinstance(found, RenderFailure) else found.language
        for place, one, said in zip(places, rendered, values, strict=True):
            words[place], params[place], languages[place] = one, said, spoken
    rows = rows.assign(language=pd.Series(languages, index=rows.index, dtype=frames.TEXT))
    keys = rows["idempotency_key"].tolist()
    failures.update(
        {key: one for key, one in zip(keys, words, strict=True) if isinstance(one, RenderFailure)}
    )
    good = [place for place, one in enumerate(words) if isinstance(one, Rendered)]
    kept = rows if len(good) == len(rows) else rows.iloc[good]
    return WordedSlice(
        kept, [one for one in words if isinstance(one, Rendered)], [params[place] for place in good]
    )


def _rendered(
    found: CompiledTemplate | RenderFailure, sheet: MessageValues, count: int
) -> Sequence[Rendered | RenderFailure]:
    if isinstance(found, RenderFailure):
        return [found] * count
    columns = None if found.needs is None else sheet.columns(found.needs)
    if columns is None:
        return [found.render(sheet.context(row)) for row in range(count)]
    return found.render_all(columns, count, sheet.context)


def _params(
    found: CompiledTemplate | RenderFailure,
    sheet: MessageValues,
    rendered: Sequence[Rendered | RenderFailure],
    templates: TemplateSet,
) -> Iterator[Params]:
    """What a provider that fills approved templates needs, with the filters of the message's own language.

    Nothing where no provider of the channel asks for it.
    """
    for row, one in enumerate(rendered):
        if (
            isinstance(found, RenderFailure)
            or isinstance(one, RenderFailure)
            or found.channel not in sheet.wording.asking
        ):
            yield {}
            continue
        filters = templates.environment(found.language, found.channel).filters
        yield parameters(sheet.context(row), filters, sheet.wording.messages.link_bases, found.channel)


# From columns to the messages that the ledger takes.


def _drafts(
    references: str, part: WordedSlice, merged: Mapping[str, tuple[CoveredNotice, ...]]
) -> Iterator[Draft]:
    rows = part.rows
    channels = {each.value: each for each in Channel}
    classes = {each.value: each for each in MessageClass}
    columns = zip(
        rows["idempotency_key"].tolist(),
        _covers(rows),
        *(rows[name].tolist() for name in ("customer_id", "notice", "channel", "role", "message_class")),
        *(rows[name].tolist() for name in ("language", "phone", "recipient_name")),
        days_or_none(rows["due_on"]),
        rows["amount_minor"].tolist(),
        instants(rows["not_before"]),
        instants(rows["expires_at"]),
        rows["until_paid"].tolist(),
        part.rendered,
        part.params,
        strict=True,
    )
    for (
        key, covers, customer_id, notice, channel, role, message_class, language, phone, name, due_on, amount,
        not_before, expires_at, until_paid, rendered, params,
    ) in columns:  # fmt: skip
        yield Draft(
            message_id=message_reference(references, key),
            covers=(*covers, *merged.get(key, ())),
            customer_id=customer_id,
            notice=notice,
            channel=channels[channel],
            role=role,
            message_class=classes[message_class],
            language=language,
            phone=phone,
            recipient_name=name,
            rendered=rendered,
            params=params,
            due_on=due_on,
            amount_minor=amount,
            not_before=not_before,
            expires_at=expires_at,
            until_paid=until_paid,
        )


def instants(values: pd.Series) -> list[datetime]:
    """Aware instants (no NaT) as plain ones; few of a night differ."""
    known = {each: each.to_pydatetime() for each in values.unique()}
    return values.map(known).astype("object").tolist()


def _covers(rows: pd.DataFrame) -> Iterator[tuple[CoveredNotice, ...]]:
    """Per row the notice under each of its keys, so that the ledger refuses it whichever of them it knows."""
    columns = zip(
        *(rows[name].tolist() for name in (*KEYS, "loan_id", "installment_no")),
        days_or_none(rows["original_due_on"]),
        strict=True,
    )
    for own, by_number, by_name, loan_id, installment_no, original in columns:
        yield tuple(
            CoveredNotice(key, loan_id, installment_no, original) for key in (own, by_number, by_name) if key
        )


def _merged_covers(merged: pd.DataFrame) -> dict[str, tuple[CoveredNotice, ...]]:
    """Per telling key, in the order of keys, the notices that its message tells besides its own."""
    told: dict[str, tuple[Any, ...]] = {}
    ordered = merged.sort_values("merged_into", kind="stable")
    for key, covers in zip(ordered["merged_into"].tolist(), _covers(ordered), strict=True):
        told[key] = (*told.get(key, ()), *covers)
    return told
