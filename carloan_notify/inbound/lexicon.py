"""What a reply is about, by the rules of a lexicon that the lender may edit. Pure but for reading the file."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import pydantic
import regex
import yaml
from pydantic import Field

from carloan_notify.errors import ConfigError
from carloan_notify.hold_codes import HoldReason
from carloan_notify.records import MessageClass
from carloan_notify.settings import Settings

# A reply as the lexicon reads it: width, case, blanks, punctuation and traditional characters made alike. Pure.

LONGEST: Final = 1_000
"""Characters that are read; six concatenated messages hold fewer."""

_APOSTROPHES: Final = dict.fromkeys(map(ord, "'‘’`´ʼ′"), "")
_TRADITIONAL: Final = str.maketrans(
    "還錢經發請電話給號碼錯認識訂閱絕煩騷擾貸車銀過幾緩緊沒這個們謝誰換聯繫係轉帳賬額對爭議訴詐騙業難時間後週"
    "點塊寬債務現實買會為麼嗎來無說讓別總應該報警壓養腦殺媽雜種瘋傷術療災產離獄簡訊機協商調減餘單據證萬親兒媳婦亂"
    "從書達連斷儘盡稱確結師裡喪區風颱諾將償續賠銷聯爺",
    "还钱经发请电话给号码错认识订阅绝烦骚扰贷车银过几缓紧没这个们谢谁换联系系转账账额对争议诉诈骗业难时间后周"
    "点块宽债务现实买会为么吗来无说让别总应该报警压养脑杀妈杂种疯伤术疗灾产离狱简讯机协商调减余单据证万亲儿媳妇乱"
    "从书达连断尽尽称确结师里丧区风台诺将偿续赔销联爷",
)
"""What borrowers write of these subjects; not a dictionary."""
_CHINESE: Final = "㐀-䶿一-鿿豈-﫿"
_BESIDE_CHINESE: Final = re.compile(rf"(?<=[{_CHINESE}]) | (?=[{_CHINESE}])")
_STOPS: Final = re.compile(r"[ ,]*,[ ,]*")
_BLANKS: Final = re.compile(r" +")


def plain(text: str) -> str:
    """Letters and digits alone, in half width, small letters and simplified characters.

    Punctuation and pictures become one comma, blanks one blank, and none stands beside a Chinese character.
    Apostrophes vanish: `haven't` is `havent`. At most `LONGEST` characters are read.
    """
    folded = unicodedata.normalize("NFKC", text[:LONGEST].translate(_APOSTROPHES)).casefold()
    folded = unicodedata.normalize("NFKC", folded).translate(_APOSTROPHES)
    seen = "".join(map(_seen, folded[:LONGEST]))  # one character may unfold into eighteen
    spaced = _BLANKS.sub(" ", _STOPS.sub(",", seen.translate(_TRADITIONAL)))
    return _BESIDE_CHINESE.sub("", spaced).strip(" ,")


def simplified(text: str) -> str:
    """The text with the traditional characters that borrowers write of these subjects in their simplified form."""
    return text.translate(_TRADITIONAL)


def compact(text: str) -> str:
    """`plain` without blanks and commas, for replies that are one word: `T 退订。` is `t退订`."""
    return text.replace(" ", "").replace(",", "")


def _seen(character: str) -> str:
    category = unicodedata.category(character)
    if category[0] in "LN":
        return character
    if character.isspace():
        return " "
    return "" if category in {"Cf", "Mn", "Me"} else ","


# What a reply may be about.


class ReplyKind(StrEnum):
    """What a borrower wants, as far as rules can tell."""

    OPT_OUT = "opt_out"
    DECEASED = "deceased"
    BANKRUPTCY = "bankruptcy"
    LAWYER = "lawyer"
    BEREAVEMENT = "bereavement"
    DISASTER = "disaster"
    PROMISE = "promise"
    PAID_ALREADY = "paid_already"
    ASKS_FOR_TIME = "asks_for_time"
    ASKS_FOR_CALL = "asks_for_call"
    WRONG_PERSON = "wrong_person"
    DISPUTE = "dispute"
    HARDSHIP = "hardship"
    ABUSE = "abuse"
    OTHER = "other"


SHIPPED: Final = "lexicon.yaml"
NO_RULE: Final = "none"
"""The rule of a reply that no rule fits."""
PROVIDER_RULE: Final = "provider"
"""The rule of an opt-out that the provider recognised by its own keywords."""
TIME_LIMIT_S: Final = 0.25
"""For one pattern on one reply. The shipped ones need less than a thousandth of it."""
_NOTHING: Final = "\n"
"""Stands where text is overlooked: no pattern on plain text matches it, so the parts beside it stay apart."""


class LexiconRule(Settings):
    """One rule. Everything is compared in plain form (`plain_text.plain`), so write as you like."""

    name: str = Field(
        pattern=r"^[a-z][a-z0-9_]{1,47}$", description="Shown as the reason; small letters, digits and _."
    )
    kind: ReplyKind = Field(description="What a reply is that this rule fits.")
    whole: list[str] = Field(default=[], description="The reply is just this, blanks and punctuation aside.")
    phrases: list[str] = Field(default=[], description="The reply holds this, as whole words.")
    patterns: list[str] = Field(default=[], description="The reply holds what this regular expression finds.")
    overlook: list[str] = Field(
        default=[], description="Regular expressions; what they find is not read for phrases and patterns."
    )
    work_list: bool = Field(default=True, description="Whether a person has to look at such a reply.")


class LexiconFile(Settings):
    """The file: rules from the strongest to the weakest; `<<name>>` in a pattern stands for the part of that name."""

    parts: dict[str, str] = Field(
        default={}, description="Parts of regular expressions by name, for patterns and overlook."
    )
    rules: list[LexiconRule] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reply says: the kind of the first rule that fits, then every kind it shows, each with its first rule.

    `asks` tells whether a person has to look at it. `slow` names the rules that took longer than `TIME_LIMIT_S`
    and therefore count as not fitting.
    """

    kind: ReplyKind
    kinds: tuple[ReplyKind, ...]
    rules: tuple[str, ...]
    asks: bool
    slow: tuple[str, ...] = ()

    @property
    def rule(self) -> str:
        """The rules as one text; one that was given up is named as `NAME:timed_out`."""
        return ", ".join([*self.rules, *(f"{name}:timed_out" for name in self.slow)])


def as_opt_out(reading: Reading) -> Reading:
    """The reading of a reply that the provider itself took for an opt-out, whatever the words say."""
    if reading.kind is ReplyKind.OPT_OUT:
        return reading
    others = [(k, r) for k, r in zip(reading.kinds, reading.rules, strict=True) if r != NO_RULE]
    told = [pair for pair in others if pair[0] is not ReplyKind.OPT_OUT]
    kinds, rules = zip((ReplyKind.OPT_OUT, PROVIDER_RULE), *told, strict=True)
    return Reading(
        kinds[0], kinds, rules, asks=(bool(told) and reading.asks) or bool(reading.slow), slow=reading.slow
    )


@dataclass(frozen=True, slots=True)
class _Compiled:
    rule: LexiconRule
    whole: frozenset[str]
    wanted: tuple[regex.Pattern[str], ...]
    overlook: tuple[regex.Pattern[str], ...]

    def fits(self, text: str, packed: str) -> bool:
        """Whether the rule fits a reply in plain and in compact form.

        Raises:
            TimeoutError: a pattern searched for longer than `TIME_LIMIT_S`.
        """
        if packed in self.whole:
            return True
        for pattern in self.overlook:
            text = pattern.sub(_NOTHING, text, timeout=TIME_LIMIT_S)
        return any(pattern.search(text, timeout=TIME_LIMIT_S) for pattern in self.wanted)


class Lexicon:
    """The rules in order. Reading a reply never fails, and no pattern searches longer than `TIME_LIMIT_S`."""

    def __init__(self, rules: Sequence[LexiconRule]) -> None:
        """Compile the rules, which `load_lexicon` has checked."""
        self._rules = [_compiled(rule) for rule in rules]

    def __len__(self) -> int:
        return len(self._rules)

    def read(self, text: str) -> Reading:
        """What `text` says; kind "other" where no rule fits.

        Only the first `LONGEST` characters are read. Where a rule was given up, a person has to look.
        """
        seen = plain(text)
        packed = compact(seen)
        fitting: dict[ReplyKind, LexiconRule] = {}
        slow: list[str] = []
        for compiled in self._rules:
            if compiled.rule.kind in fitting:
                continue
            try:
                if compiled.fits(seen, packed):
                    fitting[compiled.rule.kind] = compiled.rule
            except TimeoutError:
                slow.append(compiled.rule.name)
        kinds = tuple(fitting) or (ReplyKind.OTHER,)
        names = tuple(rule.name for rule in fitting.values()) or (NO_RULE,)
        listed = not fitting or any(rule.work_list for rule in fitting.values())
        return Reading(kinds[0], kinds, names, listed or bool(slow), tuple(slow))


def shipped_text() -> str:
    """The lexicon that comes with the package, as text to edit."""
    return (resources.files("carloan_notify.inbound") / SHIPPED).read_text(encoding="utf-8")


@cache
def shipped_lexicon() -> Lexicon:
    """The lexicon that comes with the package."""
    return parse_lexicon(shipped_text(), SHIPPED)


def lexicon_text(path: Path) -> str:
    """The text of a lender's own lexicon.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = type(error).__name__
        cure = "print one with `carloan-notify replies lexicon`, or leave inbound.lexicon_file empty"
        raise ConfigError([f"{path}: the lexicon cannot be read as UTF-8 text ({reason}); {cure}"]) from None


def parse_lexicon(text: str, place: str) -> Lexicon:
    """The lexicon in `text`; `place` names its file in errors.

    Raises:
        ConfigError: with every problem, each `file: dotted.path: what; how to fix it`.
    """
    try:
        node = yaml.compose(text, yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError([f"{place}: not valid YAML: {' '.join(str(error).split())}"]) from None
    problems = [*_repeated_keys(node)]
    try:
        rules = _whole_rules(LexiconFile.model_validate(data))
    except pydantic.ValidationError as error:
        problems += [_sentence(item) for item in error.errors()]
        rules = []
    problems += _problems(rules)
    if problems:
        raise ConfigError([f"{place}: {problem}" for problem in problems])
    return Lexicon(rules)


_PART: Final = re.compile(r"<<(\w+)>>")


def _whole_rules(file: LexiconFile) -> list[LexiconRule]:
    """The rules with each `<<name>>` replaced by its part; a name that is none stays, and is told as a problem."""

    def whole(patterns: Sequence[str]) -> list[str]:
        return [_PART.sub(lambda found: file.parts.get(found[1], found[0]), each) for each in patterns]

    return [
        rule.model_copy(update={"patterns": whole(rule.patterns), "overlook": whole(rule.overlook)})
        for rule in file.rules
    ]


def _sentence(item: Any) -> str:  # noqa: ANN401 - pydantic's error dictionary
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in item["loc"]).lstrip(".")
    message = item["msg"][0].lower() + item["msg"][1:]
    return f"{path or '(top level)'}: {message}; see `carloan-notify replies lexicon` for one that is right"


def _repeated_keys(node: yaml.Node | None) -> Iterator[str]:
    """YAML would silently keep the last of two lists of the same name."""
    if isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _repeated_keys(item)
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                yield f"line {key.start_mark.line + 1}: {key.value!r} is given twice; keep one"
            seen.add(key.value)
            yield from _repeated_keys(value)


def _problems(rules: Sequence[LexiconRule]) -> Iterator[str]:
    names: set[str] = set()
    for number, rule in enumerate(rules):
        place = f"rules[{number}]"
        if rule.name in names:
            yield f"{place}.name: {rule.name!r} is used twice; a name is a reason, keep it unique"
        names.add(rule.name)
        if not (rule.whole or rule.phrases or rule.patterns):
            yield f"{place}: fits nothing; give it whole, phrases or patterns"
        for option in ("whole", "phrases"):
            for at, text in enumerate(getattr(rule, option)):
                if not compact(plain(text)):
                    yield f"{place}.{option}[{at}]: holds no letter or digit; write a word"
        for option in ("patterns", "overlook"):
            for at, pattern in enumerate(getattr(rule, option)):
                if fault := _fault(pattern):
                    yield f"{place}.{option}[{at}]: {fault}"


def _fault(pattern: str) -> str:
    if unknown := _PART.findall(pattern):
        return f"there is no part {unknown[0]!r}; add it to parts, or correct the name"
    try:
        compiled = regex.compile(pattern, regex.IGNORECASE)
    except regex.error as error:
        return f"no regular expression ({error}); correct it"
    return "fits every reply, also an empty one; make it narrower" if compiled.search("") else ""


def _compiled(rule: LexiconRule) -> _Compiled:
    whole = frozenset(compact(plain(text)) for text in rule.whole)
    return _Compiled(rule, whole, _each([*map(_words, rule.phrases), *rule.patterns]), _each(rule.overlook))


def _each(patterns: Sequence[str]) -> tuple[regex.Pattern[str], ...]:
    return tuple(regex.compile(pattern, regex.IGNORECASE) for pattern in patterns)


def _words(phrase: str) -> str:
    """A phrase as a pattern: no part of a longer word where it begins or ends with a Latin letter or digit."""
    wanted = plain(phrase)
    before = "(?<![a-z0-9])" if wanted[0].isascii() else ""
    return before + regex.escape(wanted) + ("(?![a-z0-9])" if wanted[-1].isascii() else "")


# What is done at once about a reply, by kind. Pure: the ledger does it, a person does the rest.
#
# Nothing in this package answers a borrower: a person reads the reply and calls.

HOLDS: Final[Mapping[ReplyKind, HoldReason]] = MappingProxyType(
    {
        ReplyKind.DECEASED: HoldReason.DECEASED,
        ReplyKind.BANKRUPTCY: HoldReason.BANKRUPTCY,
        ReplyKind.LAWYER: HoldReason.LAWYER,
        ReplyKind.DISPUTE: HoldReason.DISPUTE,
        ReplyKind.BEREAVEMENT: HoldReason.BEREAVEMENT,
        ReplyKind.DISASTER: HoldReason.DISASTER,
        ReplyKind.HARDSHIP: HoldReason.HARDSHIP,
        # Of the others none holds anything. A promise does once it is confirmed; who says "paid already" is still told,
        # because the payments table decides who paid: the work list has somebody compare.
    }
)
"""The hold that a reply of a kind sets at once, on its number and on the customer whose message it answers."""


@dataclass(frozen=True, slots=True)
class Action:
    """What a reply brings about at once, and whether it goes to the work list.

    `stops` are the classes that its number refuses, None for every class; `reassigned` that the number is somebody
    else's, so that nothing about a loan may reach it.
    """

    stops: tuple[MessageClass | None, ...]
    work_list: bool
    holds: tuple[HoldReason, ...] = ()
    reassigned: bool = False

    @property
    def summary(self) -> str:
        """In one line, for people and the audit: `stop every class, hold dispute, work list`."""
        parts = [f"stop {each.value if each else 'every class'}" for each in self.stops]
        parts += [f"hold {kind.value}" for kind in self.holds]
        parts += ["number reassigned"] if self.reassigned else []
        parts += ["work list"] if self.work_list else []
        return ", ".join(parts)


def action_for(reading: Reading, opt_out_stops: Sequence[MessageClass]) -> Action:
    """The action for all kinds that a reply shows, not only for the first; `opt_out_stops` from the settings."""
    refuses = ReplyKind.OPT_OUT in reading.kinds
    return Action(
        _opt_out(opt_out_stops) if refuses else (),
        reading.asks,
        tuple(HOLDS[kind] for kind in reading.kinds if kind in HOLDS),
        ReplyKind.WRONG_PERSON in reading.kinds,
    )


def _opt_out(classes: Sequence[MessageClass]) -> tuple[MessageClass | None, ...]:
    if set(classes) == set(MessageClass):
        return (None,)
    return tuple(sorted(set(classes)))
