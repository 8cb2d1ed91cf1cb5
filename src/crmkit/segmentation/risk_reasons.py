"""The reasons for which a customer may leave, each found in one table."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import attrs
import narwhals as nw

from crmkit.errors import InvalidInput, choices
from crmkit.frames.door import civil_day, day_number, day_of, engine_of
from crmkit.frames.table import Table, open_table
from crmkit.model.interaction import Interaction
from crmkit.model.order import Order
from crmkit.model.payment import Payment
from crmkit.model.records import Record, field, fields, record
from crmkit.model.subscription import Subscription
from crmkit.model.survey import SurveyKind, SurveyResponse
from crmkit.model.ticket import Ticket
from crmkit.model.usage import Usage
from crmkit.rules import EVERYTHING, Rule
from crmkit.segmentation.lifetime.purchases import check_words, occasions, purchases

CUSTOMER = "customer_id"
_LEAST_GAPS, _LEAST_USAGE = 2, 4
_HIGHEST_NPS = 10


@attrs.frozen
class Risk:
    """What a reason weighs in `at_risk`, and the limit at which it begins to hold. Of 0 points it is not looked for."""

    points: int
    limit: float

    def __attrs_post_init__(self) -> None:
        """Check that more reasons never are less risk."""
        if not isinstance(self.points, int) or isinstance(self.points, bool) or self.points < 0:
            raise InvalidInput(f"Risk.points: {self.points!r} is no weight; give a whole number from 0")
        if isinstance(self.limit, bool) or not isinstance(self.limit, int | float) or not self.limit >= 0:
            raise InvalidInput(f"Risk.limit: {self.limit!r} is no limit; give a number from 0")


@record
class Prediction(Record):
    """What a model of lifetime value expects of a customer, as `lifetime.predict` writes it."""

    customer_id: str = field(links="Customer")
    probability_alive: float | None = None


@attrs.frozen(kw_only=True)
class Asked:
    """What all reasons are asked with: when, and in which engine the customers are."""

    day: date
    known_until: int
    today: int
    tz: str
    engine: str
    columns: Mapping[str, str] | None
    opinion_days: int
    usage_days: int
    escalated: Rule

    def open(
        self, data: Any, cls: type[Record], *needs: str, uses: tuple[str, ...] = (), where: Rule = EVERYTHING
    ) -> Table:
        """Return a table of what has happened; raise `InvalidInput` for one in another engine than the customers are."""
        table = open_table(data, cls, needs=needs, uses=uses, columns=self.columns, tz=self.tz, where=where)
        if engine_of(table.rows) != self.engine:
            raise InvalidInput(
                f"Customer and {cls.__name__} are in {self.engine} and {engine_of(table.rows)}, and no engine reads another's; "
                "give all of them as one kind of data"
            )
        _check_choices(table, cls, needs)
        return table


def _check_choices(table: Table, cls: type[Record], columns: tuple[str, ...]) -> None:
    """Refuse words without a meaning, which would never be a reason for anything."""
    known = {each.name: each.shape.choices for each in fields(cls) if each.name in columns and each.shape.choices}
    if not known:
        return
    found = table.rows.select(*known).unique().collect("polars")
    for column, words in known.items():
        strange = sorted({*found[column].drop_nulls().to_list()} - {*words})
        if strange:
            raise InvalidInput(f"{cls.__name__} column {column!r} holds {strange[0]!r}; {choices(strange[0], words)}")


def overdue_purchase(asked: Asked, orders: Any, limit: float) -> nw.LazyFrame[Any]:
    """Return those who have not bought for longer than `limit` times their own median days between purchases."""
    gaps = (
        _gaps(asked, orders)
        .group_by(CUSTOMER)
        .agg(last=nw.col("period").max(), rhythm=nw.col("gap").median(), n=nw.col("is_again").sum())
    )
    silent = gaps.filter(nw.col("n") >= _LEAST_GAPS).with_columns(
        value=asked.today - nw.col("last"), limit=nw.col("rhythm") * limit
    )
    late = silent.filter(nw.col("value") > nw.col("limit"))
    usual = nw.col("rhythm").floor().cast(nw.Int64)
    return _reason(late, "no purchase for ", nw.col("value"), " days, usually every ", usual)


def _gaps(asked: Asked, orders: Any) -> nw.LazyFrame[Any]:
    """The civil days on which customers bought, with the days since the purchase before."""
    table = open_orders(asked, orders)
    bought = purchases(table, "day").filter(nw.col("at") <= asked.known_until)
    days = occasions(bought).filter(nw.col("is_bought") == 1)
    before = nw.col("period").shift(1).over(CUSTOMER, order_by="period")
    days = days.with_columns(gap=nw.col("period") - before)
    return days.with_columns(is_again=nw.when(nw.col("gap").is_null()).then(nw.lit(0)).otherwise(nw.lit(1)))


def open_orders(asked: Asked, orders: Any) -> Table:
    """Return the orders, of which `purchases` says what counts."""
    table = asked.open(orders, Order, CUSTOMER, "at", uses=("amount", "currency", "category", "id", "refund_of_id"))
    check_words(table)
    return table


def falling_usage(asked: Asked, usages: Any, limit: float) -> nw.LazyFrame[Any]:
    """Return those who used at most `limit` of what they used in as many days before."""
    days = asked.usage_days
    used = _net_usage(asked, usages).with_columns(ago=asked.today - nw.col("day"))
    units, ago = nw.col("units"), nw.col("ago")
    used = used.with_columns(
        lately=nw.when(ago < days).then(units).otherwise(nw.lit(0)),
        earlier=nw.when((ago >= days) & (ago < 2 * days)).then(units).otherwise(nw.lit(0)),
    )
    sums = used.group_by(CUSTOMER).agg(
        value=nw.col("lately").sum().cast(nw.Int64), earlier=nw.col("earlier").sum().cast(nw.Int64)
    )
    fallen = sums.filter(nw.col("earlier") >= _LEAST_USAGE).with_columns(
        limit=nw.col("earlier").cast(nw.Float64) * limit
    )
    fallen = fallen.filter(nw.col("value") <= nw.col("limit"))
    return _reason(
        fallen, "used ", nw.col("value"), f" in the last {days} days, ", nw.col("earlier"), f" in the {days} before"
    )


def _net_usage(asked: Asked, usages: Any) -> nw.LazyFrame[Any]:
    """The units of each usage, less what was given back of it."""
    table = asked.open(usages, Usage, CUSTOMER, "at", uses=("units", "id", "reversal_of_id"))
    units = nw.col("units").cast(nw.Int64) if "units" in table.columns else nw.lit(1, nw.Int64)
    rows = table.rows.filter(nw.col("at") <= asked.known_until).with_columns(units=units, day=day_of("at"))
    if not {"id", "reversal_of_id"} <= table.columns:
        return rows
    reversals = rows.filter(~nw.col("reversal_of_id").is_null()).select("units", id="reversal_of_id")
    back = reversals.group_by("id").agg(back=nw.col("units").sum().cast(nw.Int64))
    kept = rows.filter(nw.col("reversal_of_id").is_null()).join(back, on="id", how="left")
    return kept.with_columns(units=nw.col("units") - nw.col("back").fill_null(0))


def detractor(asked: Asked, responses: Any, limit: float) -> nw.LazyFrame[Any]:
    """Return those whose latest net promoter score is at most `limit`."""
    latest = _latest(asked, responses, "nps").with_columns(limit=_number(limit))
    unhappy = latest.filter(nw.col("value") <= limit)
    return _reason(unhappy, "would not recommend us: ", nw.col("value"), f" of {_HIGHEST_NPS}")


def dissatisfied(asked: Asked, responses: Any, limit: float) -> nw.LazyFrame[Any]:
    """Return those whose latest satisfaction is at most `limit` of the way up its scale."""
    unhappy = _on_scale(_latest(asked, responses, "csat"), limit).filter(nw.col("value") <= nw.col("limit"))
    return _reason(unhappy, "not satisfied: ", nw.col("value"), " of ", nw.col("high"))


def high_effort(asked: Asked, responses: Any, limit: float) -> nw.LazyFrame[Any]:
    """Return those who last found it more difficult than `limit` of the way up its scale, where the top is easy."""
    unhappy = _on_scale(_latest(asked, responses, "ces"), limit).filter(nw.col("value") < nw.col("limit"))
    return _reason(unhappy, "found it difficult: ", nw.col("value"), " of ", nw.col("high"))


def _latest(asked: Asked, responses: Any, kind: SurveyKind) -> nw.LazyFrame[Any]:
    """The latest answer of each customer to a kind of survey; of several at one instant the lowest."""
    needs = (CUSTOMER, "kind", "score", "responded_at", "scale_low", "scale_high")
    rows = asked.open(responses, SurveyResponse, *needs).rows
    is_recent = day_of("responded_at") > asked.today - asked.opinion_days
    said = rows.filter(
        nw.col("kind") == kind, ~nw.col("score").is_null(), nw.col("responded_at") <= asked.known_until, is_recent
    )
    said = said.with_columns(latest=nw.col("responded_at").max().over(CUSTOMER))
    said = said.filter(nw.col("responded_at") == nw.col("latest"))
    lowest = said.group_by(CUSTOMER).agg(
        value=nw.col("score").min(), low=nw.col("scale_low").min(), high=nw.col("scale_high").min()
    )
    return lowest.with_columns(nw.col("value", "low", "high").cast(nw.Int64))


def _on_scale(latest: nw.LazyFrame[Any], limit: float) -> nw.LazyFrame[Any]:
    width = (nw.col("high") - nw.col("low")).cast(nw.Float64)
    return latest.with_columns(limit=nw.col("low").cast(nw.Float64) + width * limit)


def open_escalation(asked: Asked, tickets: Any, limit: float) -> nw.LazyFrame[Any]:
    """Return those with at least `limit` tickets that are escalated and not resolved."""
    uses = ("created_at", "resolved_at", "merged_into_id")
    table = asked.open(tickets, Ticket, CUSTOMER, "category", uses=uses, where=asked.escalated)
    is_open = nw.col("category") != "resolved"
    if "resolved_at" in table.columns:
        is_open = is_open | (nw.col("resolved_at") > asked.known_until)
    rows = _known(asked, table).filter(is_open)
    if "merged_into_id" in table.columns:
        rows = rows.filter(nw.col("merged_into_id").is_null())
    return _reason(_counted(rows, limit), nw.col("value"), " open escalated tickets")


def failed_payment(asked: Asked, payments: Any, limit: float) -> nw.LazyFrame[Any]:
    """Return those with at least `limit` payments that have failed and were due."""
    table = asked.open(payments, Payment, CUSTOMER, "category", uses=("created_at", "due_on"))
    rows = _known(asked, table).filter(nw.col("category") == "failed")
    if "due_on" in table.columns:
        rows = rows.filter(nw.col("due_on").is_null() | (nw.col("due_on") <= asked.day))
    return _reason(_counted(rows, limit), nw.col("value"), " failed payments")


def _known(asked: Asked, table: Table) -> nw.LazyFrame[Any]:
    """The rows that were there; without a date of creation they always were."""
    if "created_at" not in table.columns:
        return table.rows
    created_at = nw.col("created_at")
    return table.rows.filter(created_at.is_null() | (created_at <= asked.known_until))


def _counted(rows: nw.LazyFrame[Any], limit: float) -> nw.LazyFrame[Any]:
    counts = rows.group_by(CUSTOMER).agg(value=nw.len().cast(nw.Int64))
    return counts.filter(nw.col("value") >= limit).with_columns(limit=_number(limit))


def renewal_without_contact(asked: Asked, subscriptions: Any, interactions: Any, limit: float) -> nw.LazyFrame[Any]:
    """Return those with a term that ends in at most `limit` days, and whom nobody talked to in the `limit` days before its end."""
    running = running_subscriptions(asked, subscriptions, "term_ends_on").rows
    left = day_number(*civil_day("term_ends_on")) - asked.today
    ending = running.with_columns(value=left).filter(nw.col("value") >= 0, nw.col("value") <= limit)
    ending = ending.filter(nw.col("category").is_null() | (nw.col("category") != "cancelling"))
    soonest = ending.group_by(CUSTOMER).agg(value=nw.col("value").min())
    quiet = soonest.join(_contacts(asked, interactions), on=CUSTOMER, how="left").with_columns(limit=_number(limit))
    is_quiet = nw.col("last").is_null() | (nw.col("value") + asked.today - nw.col("last") > limit)
    days = f"{limit:g} days"
    return _reason(quiet.filter(is_quiet), "renewal in ", nw.col("value"), f" days, no contact in the {days} before it")


def running_subscriptions(asked: Asked, subscriptions: Any, *needs: str, uses: tuple[str, ...] = ()) -> Table:
    """Return the subscriptions that have begun and not ended; trials have not begun."""
    uses = ("started_at", "ended_at", *uses)
    table = asked.open(subscriptions, Subscription, CUSTOMER, "category", *needs, uses=uses)
    rows, is_running = table.rows, ~nw.col("category").is_in(["trial", "lapsed"])
    if "ended_at" in table.columns:
        ended_at = nw.col("ended_at")
        is_running = (is_running & ended_at.is_null()) | (ended_at > asked.known_until)
    if "started_at" in table.columns:
        started_at = nw.col("started_at")
        is_running = is_running & (started_at.is_null() | (started_at <= asked.known_until))
    return Table(rows.filter(is_running), table.columns)


def _contacts(asked: Asked, interactions: Any) -> nw.LazyFrame[Any]:
    """The last civil day on which a person and the customer were in touch."""
    table = asked.open(interactions, Interaction, CUSTOMER, "at", "direction", uses=("provenance",))
    rows = table.rows.filter(nw.col("at") <= asked.known_until, nw.col("direction") != "internal")
    if "provenance" in table.columns:
        rows = rows.filter(nw.col("provenance").is_null() | (nw.col("provenance") != "machine"))
    return rows.with_columns(day=day_of("at")).group_by(CUSTOMER).agg(last=nw.col("day").max())


def not_alive(asked: Asked, alive: Any, limit: float) -> nw.LazyFrame[Any]:
    """Return those whose probability of still being a customer is below `limit`."""
    rows = asked.open(alive, Prediction, CUSTOMER, "probability_alive").rows
    found = rows.group_by(CUSTOMER).agg(value=nw.col("probability_alive").min()).with_columns(limit=_number(limit))
    percent = (nw.col("value") * 100).floor().cast(nw.Int64)
    return _reason(found.filter(nw.col("value") < limit), "still a customer with a probability of ", percent, "%")


def _number(limit: float) -> nw.Expr:
    """A limit as a column; out of a text, because a number with decimals is no floating one in some engines."""
    return nw.lit(str(limit)).cast(nw.Float64)


def _reason(rows: nw.LazyFrame[Any], *sentence: str | nw.Expr) -> nw.LazyFrame[Any]:
    """Customers with the evidence, and what it says as a part of a sentence."""
    parts = (nw.lit(part) if isinstance(part, str) else part.cast(nw.String) for part in sentence)
    return rows.filter(~nw.col(CUSTOMER).is_null()).select(
        CUSTOMER,
        value=nw.col("value").cast(nw.Float64),
        limit=nw.col("limit").cast(nw.Float64),
        sentence=nw.concat_str(*parts),
    )
