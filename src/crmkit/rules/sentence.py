"""A rule as a sentence for people, in English or in the words of another language."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import attrs

from crmkit.model.money import Money
from crmkit.model.records import Record, fields
from crmkit.rules.columns import CUSTOM, EXTERNAL_ID, is_related
from crmkit.rules.relative import Days, Relative
from crmkit.rules.tree import AllOf, AnyOf, Comparison, Not, Rule

ENGLISH: Mapping[str, str] = {
    "everything": "everything",
    "nothing": "nothing",
    "and": "{one} and {other}",
    "or": "{one} or {other}",
    "group": "({rule})",
    "not": "not ({rule})",
    "is": "{field} is {value}",
    "not is": "{field} is not {value}",
    "below": "{field} is less than {value}",
    "at_most": "{field} is at most {value}",
    "above": "{field} is more than {value}",
    "at_least": "{field} is at least {value}",
    "is within": "{field} is within {value}",
    "not is within": "{field} is not within {value}",
    "is before": "{field} is before {value}",
    "is not after": "{field} is not after {value}",
    "is after": "{field} is after {value}",
    "is not before": "{field} is not before {value}",
    "in": "{field} is one of {value}",
    "not in": "{field} is none of {value}",
    "contains": "{field} contains {value}",
    "starts_with": "{field} starts with {value}",
    "ends_with": "{field} ends with {value}",
    "like": "{field} is like {value}",
    "has": "{field} has {value}",
    "not has": "{field} does not have {value}",
    "anniversary": "the anniversary of {field} is {value}",
    "anniversary within": "the anniversary of {field} is within {value}",
    "empty": "{field} is empty",
    "not empty": "{field} is not empty",
    "any": "there are {records}",
    "none": "there are no {records}",
    "count": "the number of {records}",
    "category": "the number of {category} {records}",
    "total": "the total of {records}",
    "first_at": "the first time of {records}",
    "last_at": "the last time of {records}",
    "of which": "{records} ({rule})",
    "external id": "the id in {system}",
    "yes": "yes",
    "no": "no",
    "money": "{amount} {currency}",
    "instant": "{day} {time} UTC",
    "list": "{one}, {other}",
    "day -1": "yesterday",
    "day 0": "today",
    "day 1": "tomorrow",
    "day past": "{n} days ago",
    "day future": "{n} days from now",
    "day until now": "the last {n} days",
    "day from now": "the next {n} days",
    **{
        key: text.replace("UNIT", unit)
        for unit in ("week", "month", "quarter", "year")
        for key, text in {
            f"{unit} -1": "last UNIT",
            f"{unit} 0": "this UNIT",
            f"{unit} 1": "next UNIT",
            f"{unit} past": "{n} UNITs ago",
            f"{unit} future": "{n} UNITs from now",
            f"{unit} until now": "this UNIT and the {n} before",
            f"{unit} from now": "this UNIT and the {n} after",
        }.items()
    },
    "from to": "{first} to {last}",
    "zone": "{days} in {tz}",
}
"""What sentences are made of. A translation has the same keys and, in braces, the same places; the order is its own."""

_OF_TIME = {
    "below": "is before",
    "at_most": "is not after",
    "above": "is after",
    "at_least": "is not before",
}
_OF_SPAN = {"is": "is within", "anniversary": "anniversary within"}


def sentence(rule: Rule, cls: type[Record] | None = None, phrases: Mapping[str, str] = ENGLISH) -> str:
    """Return a rule as a sentence; see `Rule.sentence`."""
    titles = {} if cls is None else {info.name: info.title[:1].lower() + info.title[1:] for info in fields(cls)}
    return _Speaker({**ENGLISH, **phrases}, titles).rule(rule)


@attrs.frozen
class _Speaker:
    """Who speaks a language, and knows how the fields of a class are called in it."""

    phrases: Mapping[str, str]
    titles: Mapping[str, str]

    def rule(self, rule: Rule) -> str:
        if isinstance(rule, AllOf | AnyOf):
            return self._joined(rule)
        if isinstance(rule, Comparison):
            return self._comparison(rule, "")
        assert isinstance(rule, Not)
        negated = self._comparison(rule.part, "not ") if isinstance(rule.part, Comparison) else ""
        return negated or self._say("not", rule=self.rule(rule.part))

    def _say(self, key: str, **given: object) -> str:
        return self.phrases[key].format(**given)

    def _joined(self, rule: AllOf | AnyOf) -> str:
        is_all = isinstance(rule, AllOf)
        if not rule.parts:
            return self._say("everything" if is_all else "nothing")
        said, *others = map(self._part, rule.parts)
        for other in others:
            said = self._say("and" if is_all else "or", one=said, other=other)
        return said

    def _part(self, rule: Rule) -> str:
        is_group = isinstance(rule, AllOf | AnyOf) and len(rule.parts) > 1
        return self._say("group", rule=self.rule(rule)) if is_group else self.rule(rule)

    def _comparison(self, asked: Comparison, negation: str) -> str:
        """What is compared; nothing where the language has no words for its negation."""
        name, _, part = asked.path.partition(".")
        if is_related(asked.path) and part == "any":
            return self._say(
                "none" if (asked.operand is False) ^ bool(negation) else "any", records=self._records(name, asked)
            )
        key = negation + _key(asked)
        return self._say(key, field=self._field(asked), value=self._value(asked.operand)) if key in self.phrases else ""

    def _field(self, asked: Comparison) -> str:
        path = asked.path
        if path.startswith(EXTERNAL_ID):
            return self._say("external id", system=path.removeprefix(EXTERNAL_ID))
        if not is_related(path):
            return self.titles.get(path) or path.removeprefix(CUSTOM).replace("_", " ")
        name, _, part = path.partition(".")
        key = part if part in {"count", "total", "first_at", "last_at"} else "category"
        return self._say(key, records=self._records(name, asked), category=part.replace("_", " "))

    def _records(self, name: str, asked: Comparison) -> str:
        records = name.replace("_", " ")
        if asked.where is None:
            return records
        inner = _Speaker(self.phrases, {})
        return self._say("of which", records=records, rule=inner.rule(asked.where))

    def _value(self, value: Any) -> str:
        if isinstance(value, tuple):
            return self._list(value)
        if isinstance(value, bool):
            return self._say("yes" if value else "no")
        if isinstance(value, Money):
            return self._say("money", amount=value.amount, currency=value.currency)
        if isinstance(value, datetime):
            return self._say("instant", day=value.date(), time=f"{value:%H:%M}")
        return (
            self._time(value)
            if isinstance(value, Days | Relative)
            else f"'{value}'"
            if isinstance(value, str)
            else str(value)
        )

    def _list(self, values: Sequence[Any]) -> str:
        if not values:
            return self._say("nothing")
        said, *others = map(self._value, values)
        for other in others:
            said = self._say("list", one=said, other=other)
        return said

    def _time(self, time: Days | Relative) -> str:
        if isinstance(time, Days):
            last = time.end - timedelta(days=1)
            days = str(last) if time.start == last else self._say("from to", first=time.start, last=last)
            return days if time.tz == "UTC" else self._say("zone", days=days, tz=time.tz)
        if time.first == time.last:
            return self._period(time.every, time.first)
        if time.last == 0:
            return self._say(f"{time.every} until now", n=-time.first)
        if time.first == 0:
            return self._say(f"{time.every} from now", n=time.last)
        return self._say(
            "from to", first=self._period(time.every, time.first), last=self._period(time.every, time.last)
        )

    def _period(self, every: str, number: int) -> str:
        if f"{every} {number}" in self.phrases:
            return self._say(f"{every} {number}")
        return self._say(f"{every} past" if number < 0 else f"{every} future", n=abs(number))


def _key(asked: Comparison) -> str:
    value: Any = asked.operand
    if isinstance(value, Days | Relative) and value.is_span:
        return _OF_SPAN.get(asked.operator) or _OF_TIME[asked.operator]
    return _OF_TIME.get(asked.operator, asked.operator) if isinstance(value, date | Days | Relative) else asked.operator
