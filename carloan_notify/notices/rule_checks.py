"""Do the rules make sense together? All that a single rule cannot know of itself."""

from collections import Counter
from collections.abc import Iterator, Sequence

from carloan_notify.errors import ConfigError
from carloan_notify.notices.release import permitted_hours
from carloan_notify.notices.settings import PolicySettings, RuleSettings


def rule_problems(rules: Sequence[RuleSettings], policy: PolicySettings) -> list[str]:
    """Everything wrong with the rules, each `rules[2].window: what; how to fix it`; else empty."""
    return [*_repeated(rules), *_disagreeing(rules), *_superseding(rules), *_shut_out(rules, policy)]


def _repeated(rules: Sequence[RuleSettings]) -> Iterator[str]:
    """A second rule of the same notice, channel and role has the first's keys: it could never tell."""
    seen: Counter[tuple[str, str, str]] = Counter()
    for number, rule in enumerate(rules):
        for role in dict.fromkeys(rule.who):
            identity = (rule.notice, rule.channel.value, role.value)
            seen[identity] += 1
            if seen[identity] > 1:
                what = f"{rule.notice} by {rule.channel} to {role} has a rule already"
                yield f"rules[{number}].notice: {what}; remove one or give it a name of its own"


def _disagreeing(rules: Sequence[RuleSettings]) -> Iterator[str]:
    """A notice has one moment, whatever its channels."""
    first = {rule.notice: rule for rule in reversed(rules)}
    for number, rule in enumerate(rules):
        if rule.when != first[rule.notice].when:
            what = f"{rule.notice} fires at another time in an earlier rule"
            yield f"rules[{number}].when: {what}; give it a name of its own"


def _superseding(rules: Sequence[RuleSettings]) -> Iterator[str]:
    known = {rule.notice for rule in rules}
    replaced = {
        name: {other for rule in rules if rule.notice == name for other in rule.supersedes} for name in known
    }
    for number, rule in enumerate(rules):
        for other in rule.supersedes:
            if other not in known:
                what, cure = f"there is no notice {other}", "correct the name or take it out"
            elif other == rule.notice or rule.notice in replaced[other]:
                what, cure = f"{rule.notice} and {other} replace each other", "take one out"
            else:
                continue
            yield f"rules[{number}].supersedes: {what}; {cure}"


def _shut_out(rules: Sequence[RuleSettings], policy: PolicySettings) -> Iterator[str]:
    for number, rule in enumerate(rules):
        try:
            permitted_hours(policy, rule.channel, rule.message_class, rule.window or "")
        except ConfigError as error:
            problem = str(error).removeprefix("rules: window ")
            yield f"rules[{number}].window: {problem}"
