"""`docs/policy-presets.md`, generated from the files of `config/presets`; a test compares.

`python -m tools.preset_tables > docs/policy-presets.md` writes it anew.
"""

from collections.abc import Iterator
from typing import Final

from carloan_notify.config.presets import PRESETS, preset
from carloan_notify.notices.law_settings import (
    CapSettings,
    CoolOffSettings,
    KindSettings,
    Preset,
    PresetDuty,
    PresetHours,
    Sourced,
)

HEAD: Final = """# Presets of places · 各地法规预设

Generated from `carloan_notify/config/presets`. `policy.presets` names them; a lender's own policy can only tighten
them. [T] the rule's own text was seen, [N] news or a law firm, [V] a vendor's documentation. Where a text leaves
doubt, the stricter reading was taken, and is told. Of the rules without hours or numbers `policy lint` checks opt-out
words and revocation; the others are only told. Counsel decides.

由程序生成。以 `policy.presets` 启用；本机构的规则只能更严。[T] 见到法规原文，[N] 新闻或律所摘要，[V] 厂商文档。
有疑义时从严解读并注明。没有时段或次数的要求中，`policy lint` 检查退订告知与撤回同意的用语，
其余仅供查阅。最终由法务决定。
"""


def document() -> str:
    """The whole document."""
    return "\n".join([HEAD, *(line for name in PRESETS for line in _section(preset(name)))])


def _section(one: Preset) -> Iterator[str]:
    places = ", ".join(one.countries) + (f": {', '.join(one.regions)}" if one.regions else "")
    yield from (f"## {one.name} ({places})", "", f"{one.english} · {one.chinese}", "")
    yield from (
        "| rule · 规则 | applies to · 适用 | source · 来源 | gathered | seen | reading · 解读 |",
        "|---|---|---|---|---|---|",
    )
    entries: list[Sourced] = [*one.hours, *one.caps, *one.cool_offs, *one.duties]
    for entry in entries:
        yield _row(_says(entry), _kind(entry), entry)
    yield ""


def _row(says: str, kind: str, entry: Sourced) -> str:
    cells = (says, kind, entry.source, entry.gathered.isoformat(), f"[{entry.certainty}]", entry.reading)
    return f"| {' | '.join(cells)} |"


def _kind(entry: Sourced) -> str:
    if not isinstance(entry, KindSettings):
        return ""
    return " ".join([*filter(None, [entry.message_class]), entry.channel or "sms, voice"])


def _says(entry: Sourced) -> str:
    if isinstance(entry, PresetHours):
        return _hours(entry)
    if isinstance(entry, CapSettings):
        return f"at most {entry.limit} {entry.counts} in {entry.days} day(s) per {entry.per}"
    if isinstance(entry, CoolOffSettings):
        return f"none for {entry.days} days after a conversation, per {entry.per}"
    return _duty(entry) if isinstance(entry, PresetDuty) else ""


def _duty(entry: PresetDuty) -> str:
    return " · ".join([entry.english, entry.chinese, *([", ".join(entry.words)] if entry.words else [])])


def _hours(entry: PresetHours) -> str:
    days = ", ".join(entry.days) or "every day"
    until = "" if entry.until_days_past_due is None else f", up to {entry.until_days_past_due} days past due"
    return f"{days}: {entry.window}{until}{', unless agreed' if entry.unless_agreed else ''}"


if __name__ == "__main__":
    print(document(), end="")  # noqa: T201 - its purpose
