"""Who is about to leave, why, and what is at stake."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import narwhals as nw

from crmkit.errors import InvalidInput, choices
from crmkit.frames.door import engine_of, moment
from crmkit.frames.table import MONEY_UNITS, open_table, shared
from crmkit.model.customer import Customer
from crmkit.rules import EVERYTHING, Rule, field
from crmkit.segmentation import risk_reasons
from crmkit.segmentation.given import as_given, asked_rule, check_whole
from crmkit.segmentation.lifetime.purchases import purchases
from crmkit.segmentation.risk_reasons import CUSTOMER, Asked, Risk, open_orders, running_subscriptions
from crmkit.stats.periods import index_of, instant, zone

RISKS: Mapping[str, Risk] = MappingProxyType(
    {
        "overdue_purchase": Risk(20, 2),
        "falling_usage": Risk(20, 0.5),
        "detractor": Risk(15, 6),
        "dissatisfied": Risk(10, 0.5),
        "high_effort": Risk(10, 0.5),
        "open_escalation": Risk(15, 1),
        "failed_payment": Risk(20, 1),
        "renewal_without_contact": Risk(15, 90),
        "not_alive": Risk(20, 0.5),
    }
)
"""The reasons that `at_risk` knows, in the order in which it says them, with their points and limits.

| reason | holds where | limit |
|---|---|---|
| `overdue_purchase` | nothing was bought for longer than 2 times the customer's own median days between purchases, of at least two gaps | times |
| `falling_usage` | at most half as much was used in the last `usage_days` as in the days before, where that was at least 4 units | share |
| `detractor` | the latest net promoter score of the last `opinion_days` is at most 6 | score |
| `dissatisfied` | the latest satisfaction of the last `opinion_days` is not above the middle of its scale | share of the scale |
| `high_effort` | the latest effort score of the last `opinion_days` is below the middle of its scale, on which the highest is easy | share of the scale |
| `open_escalation` | at least 1 ticket is escalated and not resolved | tickets |
| `failed_payment` | at least 1 payment that was due has failed | payments |
| `renewal_without_contact` | a term ends within 90 days, and nobody was in touch in the 90 days before its end | days |
| `not_alive` | the probability of still being a customer is below 0.5 | probability |

The limits are those that vendors and the literature use most. The points are a judgement and no estimate: a sign in what customers
do, or do not pay, weighs more than one in what they say. A business that knows better gives its own.
"""

ESCALATED: Rule = (field("priority") == "urgent") | (field("status") == "Escalated")
"""Which tickets are escalated, unless the caller says otherwise."""

_Finder = tuple[Callable[..., nw.LazyFrame[Any]], tuple[str, ...]]
_FINDERS: Mapping[str, _Finder] = {
    "overdue_purchase": (risk_reasons.overdue_purchase, ("orders",)),
    "falling_usage": (risk_reasons.falling_usage, ("usages",)),
    "detractor": (risk_reasons.detractor, ("survey_responses",)),
    "dissatisfied": (risk_reasons.dissatisfied, ("survey_responses",)),
    "high_effort": (risk_reasons.high_effort, ("survey_responses",)),
    "open_escalation": (risk_reasons.open_escalation, ("tickets",)),
    "failed_payment": (risk_reasons.failed_payment, ("payments",)),
    "renewal_without_contact": (risk_reasons.renewal_without_contact, ("subscriptions", "interactions")),
    "not_alive": (risk_reasons.not_alive, ("alive",)),
}
"""How each reason is found, and in which tables."""

_DAYS_A_YEAR, _MONTHS_A_YEAR = 365, 12


def at_risk(
    customers: Any,
    *,
    as_of: Any,
    orders: Any = None,
    usages: Any = None,
    survey_responses: Any = None,
    tickets: Any = None,
    payments: Any = None,
    subscriptions: Any = None,
    interactions: Any = None,
    alive: Any = None,
    risks: Mapping[str, Risk] | None = None,
    escalated: Rule = ESCALATED,
    opinion_days: int = 90,
    usage_days: int = 28,
    where: Rule = EVERYTHING,
    tz: str = "UTC",
    columns: Mapping[str, str] | None = None,
) -> Any:
    """Return the customers with a reason to leave, each with its reasons, those first with whom most is at stake.

    A score that people act on must say why, so it is a sum of points for reasons that hold, each with its evidence and its
    limit; `RISKS` defines them all. It is no probability: a reason of 30 points is not twice as likely to lose a customer as one of 15.

        score    = points of the reasons that hold / points of all reasons that could be looked for
        at_stake = score × value

    The value of a customer is the money of the next term of all running subscriptions, of a year for those without a term; for customers
    who have none it is what they bought in the last 365 days, less refunds. Only one of both counts, because what is paid for a
    subscription may stand among the orders too. A reason is looked for if its tables are given; the others are named.

    What has no date in the records is taken as it is now, such as the priority of a ticket or the category of a payment.

    Args:
        customers: records, or a Polars, pandas, Arrow, DuckDB, Ibis or PySpark table with `id`. All tables are in one engine.
        as_of: the moment until which things have happened, inclusive. A date means its whole day in `tz`.
        orders: records or a table with `customer_id` and `at`; it reads `amount`, `currency`, `category`, `id` and `refund_of_id`.
        usages: records or a table with `customer_id` and `at`; it reads `units`, `id` and `reversal_of_id`.
        survey_responses: records or a table with `customer_id`, `kind`, `score`, `scale_low`, `scale_high` and `responded_at`; reversed
            scales must have been turned.
        tickets: records or a table with `customer_id`, `category` and what `escalated` asks; it reads `created_at`, `resolved_at` and
            `merged_into_id`.
        payments: records or a table with `customer_id` and `category`; it reads `created_at` and `due_on`.
        subscriptions: records or a table with `customer_id`, `category` and `term_ends_on`; it reads `started_at`, `ended_at`, `price`,
            `price_currency`, `billing_months` and `term_months`.
        interactions: records or a table with `customer_id`, `at` and `direction`; it reads `provenance`, as machines are no contact.
        alive: a table with `customer_id` and `probability_alive`, as `lifetime.predict` returns.
        risks: points and limits of some reasons instead of those of `RISKS`; a reason of 0 points is not looked for.
        escalated: a rule that says which tickets are escalated; the default is urgent ones, and those whose status is "Escalated".
        opinion_days: how many civil days an opinion counts.
        usage_days: how many civil days of usage are compared with as many before; whole weeks, so that weekends do not matter.
        where: a rule that customers must fulfil.
        tz: the IANA name of the time zone in which days are counted.
        columns: published column names mapped to the names that the data has, the same for all tables.

    Returns:
        The caller's kind of table (Polars for records), ordered by the highest `at_stake` (the unknown ones last), then the highest
        `score`, then `customer_id`. With `points`, `score` from 0 to 1, `value`, `value_of` ("next term", "last year", or empty),
        `at_stake`, `reasons` as parts of a sentence, and `not_counted`, the reasons whose tables are missing, empty if none. Then for each reason
        that was looked for, such as `detractor`, its points (0 where it does not hold) and its evidence, `detractor_value` and
        `detractor_limit`. No row for customers without a reason, and for nothing.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, an unknown category, kind or direction, no table at all, tables in several
            engines, an unknown reason, or amounts in several currencies.

    >>> ann, ben = (Customer(id=name, kind="person", name=name) for name in ("ann", "ben"))
    >>> said = [SurveyResponse(kind="nps", scale_low=0, scale_high=10, score=score, customer_id=name,
    ...                        responded_at=datetime(2025, 5, 2, tzinfo=UTC)) for name, score in (("ann", 3), ("ben", 9))]
    >>> found = at_risk([ann, ben], as_of=date(2025, 5, 31), survey_responses=said)
    >>> found.select("customer_id", "points", "reasons", "detractor_value", "detractor_limit").rows()
    [('ann', 15, 'would not recommend us: 3 of 10', 3.0, 6.0)]
    """
    given = {
        "orders": orders,
        "usages": usages,
        "survey_responses": survey_responses,
        "tickets": tickets,
        "payments": payments,
        "subscriptions": subscriptions,
        "interactions": interactions,
        "alive": alive,
    }
    tables = {name: shared(data) for name, data in given.items() if data is not None}
    weights = _weights(risks)
    counted = [name for name in weights if tables.keys() >= set(_FINDERS[name][1])]
    if not counted:
        raise InvalidInput(
            f"at_risk has nothing to look at; give a table of {', '.join(given)}, and points to its reasons"
        )
    check_whole(opinion_days, "opinion_days")
    check_whole(usage_days, "usage_days")
    asked_of = asked_rule(where, as_of, tz)
    rows = open_table(customers, Customer, needs=("id",), columns=columns, tz=tz, where=asked_of).rows
    known_until = instant(as_of, tz, "as_of", end_of_day=True)
    day = known_until.astimezone(zone(tz)).date()
    asked = Asked(
        day=day,
        today=index_of(day, "day"),
        known_until=moment(known_until),
        tz=tz,
        engine=engine_of(rows),
        columns=columns,
        opinion_days=opinion_days,
        usage_days=usage_days,
        escalated=escalated.at(as_of, tz),
    )
    found = _with_reasons(
        rows.select(customer_id="id").unique(), asked, tables, {name: weights[name] for name in counted}
    )
    found = _with_value(found, asked, tables)
    missing = _missing(weights, counted, tables)
    found = found.with_columns(at_stake=nw.col("score") * nw.col("value"), not_counted=nw.lit(missing, nw.String))
    evidence = [f"{name}{part}" for name in counted for part in ("", "_value", "_limit")]
    found = found.select(
        CUSTOMER, "points", "score", "value", "value_of", "at_stake", "reasons", "not_counted", *evidence
    )
    ordered = found.sort("at_stake", "score", CUSTOMER, descending=[True, True, False], nulls_last=True)
    return as_given(ordered, customers)


def _weights(risks: Mapping[str, Risk] | None) -> dict[str, Risk]:
    """The reasons that weigh something, with the caller's own points and limits."""
    own = risks or {}
    for name, risk in own.items():
        if name not in RISKS:
            raise InvalidInput(f"risks names {name!r}, which is no reason; {choices(str(name), RISKS)}")
        if not isinstance(risk, Risk):
            raise InvalidInput(f"risks[{name!r}] is {risk!r}; give its points and limit, such as Risk(20, 2)")
    return {name: risk for name, risk in {**RISKS, **own}.items() if risk.points}


def _missing(weights: Mapping[str, Risk], counted: list[str], tables: Mapping[str, Any]) -> str | None:
    """Say which reasons were not looked for, and for want of which tables."""
    absent = (name for name in weights if name not in counted)
    said = (f"{name} (no {' or '.join(each for each in _FINDERS[name][1] if each not in tables)})" for name in absent)
    return ", ".join(said) or None


def _with_reasons(
    found: nw.LazyFrame[Any], asked: Asked, tables: Mapping[str, Any], weights: Mapping[str, Risk]
) -> nw.LazyFrame[Any]:
    """The customers with at least one reason, with their points, score and evidence."""
    for name, risk in weights.items():
        finder, inputs = _FINDERS[name]
        reason = finder(asked, *(tables[each] for each in inputs), risk.limit)
        evidence = {f"{name}_value": "value", f"{name}_limit": "limit", f"{name}_said": "sentence"}
        reason = reason.select(CUSTOMER, **evidence)
        found = found.join(reason, on=CUSTOMER, how="left")
        holds = ~nw.col(f"{name}_said").is_null()
        found = found.with_columns(
            nw.when(holds).then(nw.lit(risk.points)).otherwise(nw.lit(0)).cast(nw.Int64).alias(name)
        )
    possible = sum(risk.points for risk in weights.values())
    found = found.with_columns(points=nw.sum_horizontal(*weights)).filter(nw.col("points") > 0)
    said = [f"{name}_said" for name in weights]
    return found.with_columns(
        score=nw.col("points").cast(nw.Float64) / float(possible),
        reasons=nw.concat_str(*said, separator="; ", ignore_nulls=True),
    )


def _with_value(found: nw.LazyFrame[Any], asked: Asked, tables: Mapping[str, Any]) -> nw.LazyFrame[Any]:
    """The customers with the money of the next term, or else of the last year."""
    term, year = _next_term(asked, tables.get("subscriptions")), _last_year(asked, tables.get("orders"))
    _check_one_currency(term, year)
    for name, amounts in (("term", term), ("year", year)):
        if amounts is None:
            found = found.with_columns(nw.lit(None, nw.Int64).alias(name))
        else:
            sums = amounts.group_by(CUSTOMER).agg(nw.col("money").sum().cast(nw.Int64).alias(name))
            found = found.join(sums, on=CUSTOMER, how="left")
    has_term, has_year = ~nw.col("term").is_null(), ~nw.col("year").is_null()
    money = nw.when(has_term).then(nw.col("term")).otherwise(nw.col("year"))
    of = nw.when(has_term).then(nw.lit("next term")).when(has_year).then(nw.lit("last year"))
    return found.with_columns(value=money.cast(nw.Float64) / float(MONEY_UNITS), value_of=of)


def _next_term(asked: Asked, subscriptions: Any) -> nw.LazyFrame[Any] | None:
    """What each running subscription costs for its next term."""
    if subscriptions is None:
        return None
    uses = ("price", "price_currency", "billing_months", "term_months")
    table = running_subscriptions(asked, subscriptions, uses=uses)
    if "price" not in table.columns:
        return None

    def months(column: str, otherwise: int) -> nw.Expr:
        return nw.col(column).cast(nw.Int64).fill_null(otherwise) if column in table.columns else nw.lit(otherwise)

    billed = months("billing_months", 1)
    money = nw.when(billed > 0).then(nw.col("price") * months("term_months", _MONTHS_A_YEAR) // billed)
    currency = nw.col("price_currency") if "price_currency" in table.columns else nw.lit(None, nw.String)
    return table.rows.filter(~nw.col("price").is_null()).select(CUSTOMER, money=money, currency=currency)


def _last_year(asked: Asked, orders: Any) -> nw.LazyFrame[Any] | None:
    """What each order of the last year brought, less what was given back of it."""
    if orders is None:
        return None
    table = open_orders(asked, orders)
    if "amount" not in table.columns:
        return None
    bought = purchases(table, "day").filter(nw.col("at") <= asked.known_until)
    lately = bought.filter(nw.col("period") > asked.today - _DAYS_A_YEAR)
    currency = nw.col("currency") if "currency" in table.columns else nw.lit(None, nw.String)
    return lately.select(CUSTOMER, money="amount", currency=currency)


def _check_one_currency(*amounts: nw.LazyFrame[Any] | None) -> None:
    """Refuse amounts in several currencies, of which nobody can say which is more."""
    found = (
        each.select("currency").unique().collect("polars")["currency"].to_list() for each in amounts if each is not None
    )
    currencies = sorted({currency for each in found for currency in each} - {None})
    if len(currencies) > 1:
        listed = ", ".join(currencies[:5])
        raise InvalidInput(
            f"what is at stake is in {listed}, which cannot be compared; convert amounts to one currency first"
        )
