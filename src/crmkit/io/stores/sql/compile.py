"""Rules and sort keys as SQL, which answers of a row as `crmkit.rules.predicate` does of its record.

SQL knows a third answer beside yes and no: NULL, of what is compared with NULL. Here a rule holds where its condition is true, and
false and NULL both say that it does not; only `Not` must tell them from true. Values are bound, names are those of declared
fields.
"""

import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

import attrs
import sqlalchemy as sa

from crmkit.io.stores.sql.cells import DialectName, encoding
from crmkit.io.stores.sql.json_text import to_json
from crmkit.model.money import Money, currency_column
from crmkit.model.records import Record
from crmkit.model.shape import Kind, Shape
from crmkit.rules import AllOf, AnyOf, Comparison, Not, Operator, Rule
from crmkit.rules.check import Question, Test, fitted, question
from crmkit.rules.columns import CUSTOM, EXTERNAL_ID, FORMS, Column, Columns
from crmkit.rules.pattern import Token, Wildcard, tokens
from crmkit.rules.related import TOTAL
from crmkit.rules.relative import YearDays

Expression = sa.ColumnElement[Any]
Condition = sa.ColumnElement[bool]
Related = Callable[[type[Record]], tuple[sa.FromClause, Condition]]
"""The rows of another class, and the condition that one of them is there."""


@attrs.frozen
class Asked:
    """Of which rows a rule is asked, and where those of other classes are."""

    rows: sa.FromClause
    dialect: DialectName
    related: Related | None = None


def condition(rule: Rule, known: Columns, asked: Asked) -> Condition:
    """Return a rule as a condition on rows, true where it holds; `known` are the columns that it was checked with."""
    if isinstance(rule, Comparison):
        return _comparison(rule, known, asked)
    if isinstance(rule, Not):
        return sa.not_(sa.func.coalesce(condition(rule.part, known, asked), sa.false()))
    assert isinstance(rule, AllOf | AnyOf)
    alone, together = _by_relation(rule, known)
    parts = [condition(part, known, asked) for part in alone]
    parts += [_of_related(some, type(rule), asked) for some in together]
    return _joined(type(rule), parts)


def _joined(kind: type[Rule], parts: Iterable[Condition]) -> Condition:
    return sa.or_(sa.false(), *parts) if kind is AnyOf else sa.and_(sa.true(), *parts)


def expressions(column: Column, table: sa.FromClause, dialect: DialectName) -> tuple[Expression, ...]:
    """Return what a column is in SQL, NULL where it is empty: one expression, and for money its currency and its amount.

    Collections are not among them: of those, an empty one is not NULL.
    """
    if column.path.startswith(CUSTOM):
        return (_SQL[dialect].custom(table.c.custom, column.path.removeprefix(CUSTOM), column.shape),)
    if column.path.startswith(EXTERNAL_ID):
        return (_SQL[dialect].text_under(table.c.external_ids, column.path.removeprefix(EXTERNAL_ID)),)
    if column.shape.kind == "money":
        return (table.c[currency_column(column.path)], table.c[column.path])
    return (table.c[column.path],)


def _comparison(comparison: Comparison, known: Columns, asked: Asked) -> Condition:
    asks = question(comparison, known)
    if asks is not None:
        return _of_related([_Part(asks)], AllOf, asked)
    column, tests = fitted(comparison, known)
    held = expressions(column, asked.rows, asked.dialect)
    return sa.and_(*(_test(column.shape.kind, held, test, asked.dialect) for test in tests))


def _test(kind: Kind, held: tuple[Expression, ...], test: Test, dialect: DialectName) -> Condition:
    sql, (asked, operand) = _SQL[dialect], test
    if asked == "empty":
        return sql.is_bare(kind, held[0]) if kind in ("texts", "values", "mapping") else held[0].is_(None)
    if asked == "has":
        return sql.has(held[0], operand)
    if asked in _PATTERNS:
        return sql.fits(held[0], _PATTERNS[asked](operand))
    if asked == "anniversary":
        return _anniversary(held[0], operand, dialect)
    if kind == "money":
        return _money(held, operand, asked, sql)
    code = encoding(Shape(kind), dialect) or _as_it_is
    return sql.one_of(held[0], map(code, operand)) if asked == "in" else _COMPARE[asked](held[0], _bound(code(operand)))


def _anniversary(day: Expression, parts: YearDays, dialect: DialectName) -> Condition:
    code, of_year = encoding(Shape("day"), dialect) or _as_it_is, _SQL[dialect].day_of_year(day)
    return sa.or_(
        *(
            sa.and_(of_year >= _bound(low), of_year <= _bound(high), day < _bound(code(new_year)))
            for low, high, new_year in parts
        )
    )


@attrs.frozen
class _Part:
    """What a part of a rule asks of related rows, or that this is not so."""

    asks: Question
    is_negated: bool = False


def _by_relation(rule: AllOf | AnyOf, known: Columns) -> tuple[list[Rule], list[list[_Part]]]:
    """The parts of a rule that are asked alone, and those of which several ask the same related rows."""
    alone, found = list[Rule](), dict[str, list[tuple[Rule, _Part]]]()
    for part in rule.parts:
        inner = part.part if isinstance(part, Not) else part
        asks = question(inner, known) if isinstance(inner, Comparison) else None
        if asks is None:
            alone.append(part)
        else:
            found.setdefault(asks.relation.name, []).append((part, _Part(asks, isinstance(part, Not))))
    alone += [some[0][0] for some in found.values() if len(some) == 1]
    return alone, [[part for _, part in some] for some in found.values() if len(some) > 1]


def _of_related(parts: Sequence[_Part], kind: type[Rule], asked: Asked) -> Condition:
    """What is asked of related rows is asked for each row apart, by the index of what links them, and in one go."""
    assert asked.related is not None
    relation = parts[0].asks.relation
    rows, is_there = asked.related(relation.cls)
    counting = [dict(_counting(part.asks, asked, rows)) for part in parts]
    shared = {says: test for says, test in counting[0].items() if all(says in each for each in counting)}
    mine = sa.and_(rows.c[relation.link] == asked.rows.c.id, is_there, *shared.values())
    wanted = _wanted(parts[0].asks) if len(parts) == 1 else None
    if wanted is not None:  # which databases answer without counting
        found = sa.exists().select_from(rows).where(mine).correlate(asked.rows)
        return found if wanted else sa.not_(found)
    own = [[test for says, test in each.items() if says not in shared] for each in counting]
    answers = [_answer(part, rows, filters, asked.dialect) for part, filters in zip(parts, own, strict=True)]
    answer = sa.select(_joined(kind, answers)).select_from(rows).where(mine).correlate(asked.rows)
    return sa.type_coerce(answer.scalar_subquery(), sa.Boolean())


_ANY = {("above", 0): True, ("at_least", 1): True, ("is", 0): False, ("at_most", 0): False, ("below", 1): False}
"""The tests of a number of related rows that ask no more than whether there are any."""


def _wanted(asks: Question) -> bool | None:
    """Whether a question is whether there are any related rows, or that there are none; None where it asks for more."""
    if asks.part == "any":
        return bool(asks.comparison.operand)
    return _ANY.get(asks.tests[0]) if asks.shape.kind == "integer" else None


def _counting(asks: Question, asked: Asked, rows: sa.FromClause) -> Iterator[tuple[tuple[str, Any], Condition]]:
    """Which related rows count for a question, by what says so: what says the same is the same condition."""
    comparison, happened_at = asks.comparison, rows.c[asks.relation.happened_at]
    if comparison.until is not None:
        instant = encoding(Shape("instant"), asked.dialect) or _as_it_is
        had_happened = sa.or_(happened_at.is_(None), happened_at <= _bound(instant(comparison.until)))
        yield ("until", comparison.until), had_happened
    if comparison.where is not None:
        inner = condition(comparison.where, asks.known, attrs.evolve(asked, rows=rows))
        yield ("where", comparison.where), inner
    if isinstance(comparison.operand, Money):
        currency = comparison.operand.currency
        yield ("currency", currency), rows.c[currency_column(TOTAL)] == _bound(currency)
    if asks.part not in asks.relation.questions:
        yield ("category", asks.part), rows.c.category == _bound(asks.part)


def _answer(part: _Part, rows: sa.FromClause, filters: Sequence[Condition], dialect: DialectName) -> Condition:
    """Whether related rows are as one part of a rule asks; only those count that its own filters let through."""
    asks, happened_at = part.asks, rows.c[part.asks.relation.happened_at]
    kind, tests = asks.shape.kind, asks.tests
    # Without its type, because an instant of a query would be read as one of its columns.
    aggregates: Mapping[str, Callable[[], Any]] = {
        "first_at": lambda: sa.func.min(happened_at, type_=sa.types.NullType()),
        "last_at": lambda: sa.func.max(happened_at, type_=sa.types.NullType()),
        "total": lambda: sa.func.sum(rows.c[TOTAL], type_=sa.types.NullType()),
    }
    held = aggregates.get(asks.part, sa.func.count)()
    held = held.filter(*filters) if filters else held
    if asks.part == "any":
        kind, tests = "integer", (("above" if asks.comparison.operand else "at_most", 0),)
    if isinstance(asks.comparison.operand, Money):
        held = sa.func.coalesce(held, sa.literal_column("0"))
        kind, tests = "integer", tuple((each, money.minor_units) for each, money in tests)
    held = sa.type_coerce(held, sa.types.NullType())
    test = sa.and_(*(_test(kind, (held,), each, dialect) for each in tests))
    return sa.not_(sa.func.coalesce(test, sa.false())) if part.is_negated else test


def _money(held: tuple[Expression, ...], operand: Any, asked: Operator, sql: "_Sql") -> Condition:
    currency, units = held
    if asked == "in":
        return sql.one_of(currency + sa.cast(units, sa.Text()), map(_money_text, operand))
    return sa.and_(currency == _bound(operand.currency), _COMPARE[asked](units, _bound(operand.minor_units)))


def _money_text(money: Money) -> str:
    return f"{money.currency}{money.minor_units}"


def _as_it_is(value: Any) -> Any:
    return value


def _bound(value: Any) -> Expression:
    """A parameter with the value that the driver takes."""
    return sa.bindparam(None, value, type_=sa.types.NullType())


def _constant(text: str) -> Expression:
    """Text that stands in the statement, so that an index of the same expression may serve."""
    assert "'" not in text
    return sa.literal_column(f"'{text}'", sa.Text())


_COMPARE: Mapping[Operator, Callable[[Expression, Expression], Condition]] = {
    "is": operator.eq,
    "below": operator.lt,
    "at_most": operator.le,
    "above": operator.gt,
    "at_least": operator.ge,
}
_PATTERNS: Mapping[Operator, Callable[[str], Sequence[Token]]] = {
    "contains": lambda text: (Wildcard.ANY_TEXT, *text, Wildcard.ANY_TEXT),
    "starts_with": lambda text: (*text, Wildcard.ANY_TEXT),
    "ends_with": lambda text: (Wildcard.ANY_TEXT, *text),
    "like": tokens,
}


class _Sql(Protocol):
    """What the databases say in words of their own. Many values are one parameter, because their number is limited."""

    def fits(self, text: Expression, pattern: Sequence[Token]) -> Condition:
        """The whole text fits a pattern; upper and lower case differ."""

    def one_of(self, held: Expression, values: Iterable[Any]) -> Condition:
        """The value is one of these."""

    def has(self, texts: Expression, text: str) -> Condition:
        """The texts have this one."""

    def day_of_year(self, day: Expression) -> Expression:
        """The month and the day of the month, as month * 100 + day."""

    def is_bare(self, kind: Kind, collection: Expression) -> Condition:
        """The collection is NULL or has no items."""

    def text_under(self, mapping: Expression, key: str) -> Expression:
        """The text under a key of a mapping; NULL where there is none, or something else."""

    def custom(self, mapping: Expression, name: str, shape: Shape) -> Expression:
        """What a mapping has under the name of a declared field; NULL where that is not as declared."""


def _pattern(parts: Sequence[Token], words: Mapping[Token, str]) -> str:
    return "".join(words.get(part, str(part)) for part in parts)


class _Sqlite:
    """SQLite: GLOB, because its LIKE does not tell upper from lower case; JSON is text."""

    _WORDS: Mapping[Token, str] = {
        Wildcard.ANY_TEXT: "*",
        Wildcard.ANY_CHARACTER: "?",
        **{special: f"[{special}]" for special in "*?["},
    }

    def fits(self, text: Expression, pattern: Sequence[Token]) -> Condition:
        return text.bool_op("GLOB")(_bound(_pattern(pattern, self._WORDS)))

    def one_of(self, held: Expression, values: Iterable[Any]) -> Condition:
        return held.in_(_items(_bound(to_json(list(values)))))

    def has(self, texts: Expression, text: str) -> Condition:
        return _bound(text).in_(_items(texts))

    def day_of_year(self, day: Expression) -> Expression:
        month_and_day = sa.func.substr(day, sa.literal_column("6"))
        return sa.cast(sa.func.replace(month_and_day, _constant("-"), _constant("")), sa.Integer())

    def is_bare(self, kind: Kind, collection: Expression) -> Condition:
        bare = _constant("{}" if kind == "mapping" else "[]")
        return sa.func.coalesce(collection, bare) == bare

    def text_under(self, mapping: Expression, key: str) -> Expression:
        # Not by a path, in which SQLite cannot write every key.
        each = sa.func.json_each(mapping).table_valued("key", "value", "type")
        found = sa.select(each.c.value).where(each.c.key == _bound(key), each.c.type == _constant("text"))
        return found.scalar_subquery()

    def custom(self, mapping: Expression, name: str, shape: Shape) -> Expression:
        path = _constant(f"$.{name}")
        json_kind, held = sa.func.json_type(mapping, path), sa.func.json_extract(mapping, path)
        is_text, is_whole = json_kind == _constant("text"), json_kind == _constant("integer")
        kept: dict[Kind, tuple[Condition, Expression]] = {
            "text": (is_text, held),
            "choice": (sa.and_(is_text, self.one_of(held, shape.choices)), held),
            "integer": (is_whole, held),
            "number": (sa.or_(is_whole, json_kind == _constant("real")), sa.cast(held, sa.REAL())),
            "decimal": (sa.or_(is_whole, sa.and_(is_text, _has_only_digits(held))), _decimal(held)),
            "flag": (sa.or_(json_kind == _constant("true"), json_kind == _constant("false")), held),
            "instant": (sa.and_(is_text, _is_written(held, _INSTANT_GLOB, "%Y-%m-%dT%H:%M:%S")), held),
            "day": (sa.and_(is_text, _is_written(held, _DAY_GLOB, "%Y-%m-%d")), held),
        }
        return sa.case(kept[shape.kind])


_DAY_GLOB = "-".join(("[0-9]" * 4, "[0-9]" * 2, "[0-9]" * 2))
_INSTANT_GLOB = f"{_DAY_GLOB}T{':'.join(['[0-9]' * 2] * 3)}.{'[0-9]' * 6}Z"


def _items(json_list: Expression) -> sa.Select[Any]:
    return sa.select(sa.func.json_each(json_list).table_valued("value").c.value)


def _has_only_digits(text: Expression) -> Condition:
    return sa.not_(text.bool_op("GLOB")(_constant("*[^-0-9.]*")))


def _decimal(held: Expression) -> Expression:
    """The sortable form of a decimal, by the function that every connection of a store has; NULL for another text."""
    return sa.func.crm_decimal(sa.cast(held, sa.Text()))


def _is_written(text: Expression, glob: str, form: str) -> Condition:
    """The text is a time as we write it. Counting on, SQLite moves a day that does not exist to the next month."""
    to_the_second = sa.func.substr(text, sa.literal_column("1"), sa.literal_column("19"))
    is_real = sa.func.strftime(_constant(form), to_the_second, _constant("+0 days")) == to_the_second
    return sa.and_(text.bool_op("GLOB")(_constant(glob)), is_real, text >= _constant("0001"))


class _Postgresql:
    """PostgreSQL. What is in JSON is cast only where its form says that it can be, because a cast that fails is an error."""

    _WORDS: Mapping[Token, str] = {
        Wildcard.ANY_TEXT: "%",
        Wildcard.ANY_CHARACTER: "_",
        **{special: f"\\{special}" for special in "%_\\"},
    }

    def fits(self, text: Expression, pattern: Sequence[Token]) -> Condition:
        return text.bool_op("LIKE")(_bound(_pattern(pattern, self._WORDS)))

    def one_of(self, held: Expression, values: Iterable[Any]) -> Condition:
        return held.bool_op("=")(sa.func.any(_bound(list(values))))

    def has(self, texts: Expression, text: str) -> Condition:
        return _bound(text).bool_op("=")(sa.func.any(texts))

    def day_of_year(self, day: Expression) -> Expression:
        return sa.extract("month", day) * sa.literal_column("100") + sa.extract("day", day)

    def is_bare(self, kind: Kind, collection: Expression) -> Condition:
        if kind == "texts":
            return sa.func.coalesce(sa.func.cardinality(collection), 0) == 0
        bare = _constant("{}" if kind == "mapping" else "[]")
        return sa.func.coalesce(sa.cast(collection, sa.Text()), bare) == bare

    def text_under(self, mapping: Expression, key: str) -> Expression:
        return self._text(mapping, sa.cast(_bound(key), sa.Text()))

    def custom(self, mapping: Expression, name: str, shape: Shape) -> Expression:
        at = _constant(name)
        json_kind, held = _json_kind(mapping, at), sa.func.json_extract_path_text(mapping, at)
        is_text, is_number = json_kind == _constant("string"), json_kind == _constant("number")
        is_whole = sa.and_(is_number, _is_like(held, "-?[0-9]{1,19}"))
        written = {kind: sa.and_(is_text, _is_like(held, form)) for kind, form in FORMS.items()}
        text = self._text(mapping, at)
        kept: dict[Kind, tuple[Condition, Expression]] = {
            "text": (is_text, text),
            "choice": (self.one_of(held, shape.choices), text),
            "integer": (is_whole, sa.cast(held, sa.Numeric())),
            "number": (is_number, sa.cast(held, sa.Double())),
            "decimal": (sa.or_(is_whole, written["decimal"]), sa.cast(held, sa.Numeric())),
            "flag": (json_kind == _constant("boolean"), sa.cast(held, sa.Boolean())),
            "instant": (written["instant"], sa.cast(held, sa.TIMESTAMP(timezone=True))),
            "day": (written["day"], sa.cast(held, sa.Date())),
        }
        return sa.case(kept[shape.kind])

    def _text(self, mapping: Expression, key: Expression) -> Expression:
        is_text = _json_kind(mapping, key) == _constant("string")
        return sa.collate(sa.case((is_text, sa.func.json_extract_path_text(mapping, key))), "C")


def _json_kind(mapping: Expression, key: Expression) -> Expression:
    return sa.func.json_typeof(sa.func.json_extract_path(mapping, key))


def _is_like(text: Expression, form: str) -> Condition:
    return text.bool_op("~")(_constant(f"^({form})$"))


_SQL: Mapping[DialectName, _Sql] = {"sqlite": _Sqlite(), "postgresql": _Postgresql()}
