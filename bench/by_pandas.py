"""The counts behind the KPIs of `bench/metrics.py` as an analyst writes them in pandas; see `by_hand` for what they look like."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from by_hand import TZ, UNKNOWN
from company import BEGINNING, NOW

Tables = Mapping[str, pd.DataFrame]
Case = tuple[pd.Series, str]
_WEEK = pd.Timedelta(days=7)
_MICROSECOND = pd.Timedelta(microseconds=1)


def win_rate(tables: Tables) -> pl.DataFrame:
    deals = _known(tables["deals"])
    return _counted(_closed_at(deals), _closed_deals(deals), deals["owner_id"])


def sales_cycle(tables: Tables) -> pl.DataFrame:
    deals = _known(tables["deals"])
    is_closed, days = deals["category"].isin(["won", "lost"]), _days_to_close(deals)
    undated = is_closed & deals["created_at"].isna()
    outcome = _closed_deals(
        deals, (undated, "no creation date"), (is_closed & (days < 0), "closed before it was created")
    )
    is_told = outcome != "lost"
    return _counted(_closed_at(deals)[is_told], outcome[is_told], days[is_told].rename("taken"))


def stage_duration(tables: Tables) -> pl.DataFrame:
    moves = tables["transitions"]
    moves = moves[(moves["subject"] == "Deal") & (moves["field"] == "stage") & (moves["at"] < NOW)]
    moves = moves.sort_values(["subject_id", "at", "id"])[["subject_id", "before", "at"]]
    moves["begun"] = moves["at"].shift().where(moves["subject_id"] == moves["subject_id"].shift())
    deals = _known(tables["deals"])[["id", "created_at"]]
    stays = moves[moves["before"].notna()].merge(deals, left_on="subject_id", right_on="id")
    created = stays["created_at"].where(stays["created_at"] <= stays["at"])
    spent = stays["at"] - stays["begun"].fillna(created)
    stays = stays.assign(spent=spent, is_unknown=spent.isna())
    whole = stays.groupby(["subject_id", "before"], as_index=False).agg(
        spent=("spent", "sum"), at=("at", "max"), is_unknown=("is_unknown", "any")
    )
    whole = whole[whole["at"] >= BEGINNING]
    outcome = _outcome((whole["is_unknown"], "entry not known"), otherwise="left", index=whole.index)
    return _listed(whole["spent"] // pd.Timedelta(minutes=1), whole["before"].rename("stage"), outcome)


def pipeline_value(tables: Tables) -> pl.DataFrame:
    deals = _known(tables["deals"])
    flaws = [*_deal_flaws(deals), (deals["created_at"].isna(), "no creation date")]
    outcome = _outcome(*flaws, (deals["amount"].isna(), "no amount"), otherwise="open", index=deals.index)
    is_begun = outcome.isin(["open", "no amount"])
    lasting = _lasting(deals["created_at"].where(is_begun), _closed_at(deals), outcome)
    found = deals["amount"].groupby(lasting, observed=True, dropna=False).agg(n="size", total="sum")
    return _plain(found.assign(currency=_currency(deals["currency"])))


def pipeline_velocity(tables: Tables) -> pl.DataFrame:
    deals = _known(tables["deals"])
    days = _days_to_close(deals)
    is_cycle = days >= 0
    lasting = _lasting(deals["created_at"], _closed_at(deals), _closed_deals(deals))
    figures = pd.DataFrame({"amount": deals["amount"], "days": days.where(is_cycle), "is_cycle": is_cycle})
    found = figures.groupby(lasting, observed=True, dropna=False).agg(
        n=("is_cycle", "size"),
        total=("amount", "sum"),
        priced=("amount", "count"),
        days=("days", "sum"),
        cycles=("is_cycle", "sum"),
    )
    return _plain(found.assign(currency=_currency(deals["currency"])))


def average_order_value(tables: Tables) -> pl.DataFrame:
    orders, currency = _ordered(tables), _currency(tables["orders"]["currency"])
    is_line = orders["outcome"].isin(["purchase", "refund"]) & orders["id"].notna()
    purchases = orders[is_line].groupby("id", sort=False).agg(at=("at", "min"), amount=("amount", "sum"))
    refund = (purchases["amount"] < 0, "refund")
    purchases = purchases.assign(outcome=_outcome(refund, otherwise="purchase", index=purchases.index))
    return pl.concat([_averaged(purchases, currency), _averaged(orders[~is_line], currency)])


def average_row_value(tables: Tables) -> pl.DataFrame:
    return _averaged(_ordered(tables), _currency(tables["orders"]["currency"]))


def new_customers(tables: Tables) -> pl.DataFrame:
    orders = _before("at", tables["orders"])
    flaw = _outcome(
        *_order_flaws(orders), (orders["amount"] < 0, "refund"), (orders["at"].isna(), "no date"), index=orders.index
    )
    first = orders[flaw.isna()].groupby("customer_id")["at"].min()
    return _with_left_out(_counted(first, _customer(first.index)), flaw)


def customer_lifetime_value(tables: Tables) -> pl.DataFrame:
    orders = _before("at", tables["orders"])
    undated, unpriced = (orders["at"].isna(), "no date"), (orders["amount"].isna(), "no amount")
    flaw = _outcome(*_order_flaws(orders), undated, unpriced, index=orders.index)
    worth = orders[flaw.isna()].groupby("customer_id", sort=False).agg(at=("at", "min"), amount=("amount", "sum"))
    amount = worth.loc[worth["at"] >= BEGINNING, "amount"]
    told = {"outcome": "customer", "n": len(amount), "total": amount.sum(), "squares": (amount**2).sum()}
    return _with_left_out(pl.DataFrame([{**told, "currency": _currency(orders["currency"])}]), flaw)


def churn_rate(tables: Tables) -> pl.DataFrame:
    return _standings(tables, "MS")


def retention_rate(tables: Tables) -> pl.DataFrame:
    return _standings(tables, "QS", "plan")


def mrr_movements(tables: Tables) -> pl.DataFrame:
    return _paid_standings(tables)


def average_revenue_per_account(tables: Tables) -> pl.DataFrame:
    return _paid_standings(tables)


def first_contact_resolution(tables: Tables) -> pl.DataFrame:
    said, tickets = tables["interactions"], _known(tables["tickets"])
    strange = ~said["direction"].isin(["inbound", "outbound", "internal"]) & said["direction"].notna()
    said = said[(said["direction"] == "outbound") & (said["provenance"] != "machine") & (said["at"] < NOW)]
    answers = said[["ticket_id", "at"]].merge(tickets[["id", "created_at"]], left_on="ticket_id", right_on="id")
    replies = answers[answers["at"] != answers["created_at"]].groupby("ticket_id").size()
    tickets = tickets.assign(topic=tickets["topic"].fillna(""))
    ended, keys = tickets["resolved_at"], ["customer_id", "topic"]
    resolved = tickets[(tickets["category"] == "resolved") & (ended < NOW) & tickets["customer_id"].notna()]
    pairs = resolved[["id", "resolved_at", *keys]].merge(
        tickets[["id", "created_at", *keys]], on=keys, suffixes=("", "_of_next")
    )
    after = (pairs["created_at"] > pairs["resolved_at"]) & (pairs["created_at"] <= pairs["resolved_at"] + _WEEK)
    is_repeated = tickets["id"].isin(pairs.loc[after & (pairs["id"] != pairs["id_of_next"]), "id"])
    few = tickets["id"].map(replies).fillna(0) <= 1
    outcome = _outcome(
        *_unresolved(tickets),
        (ended + _WEEK >= NOW, "window still open"),
        (few & ~is_repeated & (tickets["reopen_count"].fillna(0) == 0), "first contact"),
        otherwise="more contacts",
        index=tickets.index,
    )
    unknown = pl.DataFrame({"outcome": [UNKNOWN] * int(strange.sum()), "n": [1] * int(strange.sum())})
    return pl.concat([_counted(_resolved_at(tickets), outcome), unknown], how="diagonal_relaxed")


def first_response_time(tables: Tables) -> pl.DataFrame:
    tickets = _known(tables["tickets"])
    answered, created = tickets["first_responded_at"], tickets["created_at"]
    outcome = _outcome(
        (created.isna(), "no creation date"),
        (answered.isna() | (answered >= NOW), "not answered"),
        (answered < created, "answered before it was created"),
        otherwise="answered",
        index=tickets.index,
    )
    at = answered.where(answered < NOW)
    is_told = at.isna() | (at >= BEGINNING)
    return _listed((answered - created)[is_told] / _MICROSECOND, _month(at[is_told]), outcome[is_told])


def resolution_time(tables: Tables) -> pl.DataFrame:
    tickets = _known(tables["tickets"])
    resolved, created = tickets["resolved_at"], tickets["created_at"]
    outcome = _outcome(
        *_unresolved(tickets),
        (created.isna(), "no creation date"),
        (resolved < created, "resolved before it was created"),
        otherwise="resolved",
        index=tickets.index,
    )
    at = _resolved_at(tickets)
    is_told = at.isna() | (at >= BEGINNING)
    return _listed((resolved - created)[is_told] / _MICROSECOND, tickets.loc[is_told, "channel"], outcome[is_told])


def reopen_rate(tables: Tables) -> pl.DataFrame:
    tickets = _known(tables["tickets"])
    reopened = tickets["reopen_count"] > 0
    outcome = _outcome(*_unresolved(tickets), (reopened, "reopened"), otherwise="lasted", index=tickets.index)
    return _counted(_resolved_at(tickets), outcome)


def backlog(tables: Tables) -> pl.DataFrame:
    tickets = _known(tables["tickets"])
    category, created = tickets["category"], tickets["created_at"]
    outcome = _outcome(
        (category.isna(), "no category"),
        (~category.isin(["open", "paused", "resolved"]), UNKNOWN),
        (created.isna(), "no creation date"),
        ((category == "resolved") & tickets["resolved_at"].isna(), "resolved without a date"),
        otherwise="in the backlog",
        index=tickets.index,
    )
    began = _local(created.where(outcome == "in the backlog")).dt.normalize()
    keys = [began.rename("began"), _month(_resolved_at(tickets)).rename("ended"), outcome.rename("outcome")]
    return _plain(tickets.groupby(keys, observed=True, dropna=False).size().rename("n"))


def nps(tables: Tables) -> pl.DataFrame:
    asked = tables["survey_responses"]
    asked = asked[asked["kind"] == "nps"]
    score, at = asked["score"], asked["responded_at"]
    flaw = _outcome(
        (score.isna() | (at >= NOW), "unanswered"),
        (~score.between(0, 10), UNKNOWN),
        (at.isna(), "answered without a date"),
        index=asked.index,
    )
    given = asked[flaw.isna() & (at >= BEGINNING)]
    given = given.assign(month=_month(given["responded_at"])).sort_values(
        ["responded_at", "score"], ascending=[True, False]
    )
    is_earlier = given["customer_id"].notna() & given.duplicated(["month", "customer_id"], keep="last")
    latest, earlier = given[~is_earlier], given[is_earlier]
    parts = [
        latest.groupby(["month", "score"]).size().rename("n").reset_index().assign(outcome="answer"),
        earlier.groupby("month").size().rename("n").reset_index().assign(outcome="earlier answer"),
    ]
    return _with_left_out(_plain(pd.concat(parts), is_indexed=False), flaw)


def response_rate(tables: Tables) -> pl.DataFrame:
    sent = _before("sent_at", tables["survey_responses"])
    responded = sent["responded_at"]
    is_answered = sent["score"].notna() & (responded.isna() | (responded < NOW))
    cases = ((sent["sent_at"].isna(), "no date of asking"), (is_answered, "answered"))
    return _counted(sent["sent_at"], _outcome(*cases, otherwise="not answered", index=sent.index))


def new_leads(tables: Tables) -> pl.DataFrame:
    leads = _known(tables["leads"])
    undated = (leads["created_at"].isna(), "no creation date")
    return _counted(leads["created_at"], _outcome(undated, otherwise="lead", index=leads.index), leads["source"])


def lead_conversion(tables: Tables) -> pl.DataFrame:
    leads = _known(tables["leads"])
    category, converted_at = leads["category"], leads["converted_at"]
    outcome = _outcome(
        (leads["created_at"].isna(), "no creation date"),
        (category.isna(), "no category"),
        (~category.isin(["open", "converted", "disqualified"]), UNKNOWN),
        ((category == "converted") & (converted_at.isna() | (converted_at < NOW)), "converted"),
        (category == "disqualified", "not converted"),
        otherwise="open",
        index=leads.index,
    )
    return _counted(leads["created_at"], outcome)


def click_rate(tables: Tables) -> pl.DataFrame:
    messages, events = tables["messages"], ["delivered_at", "opened_at", "clicked_at"]
    sent = messages["sent_at"]
    is_delivered = np.logical_or.reduce([messages[each] < NOW for each in events])
    outcome = _outcome(
        (sent.isna() & is_delivered, "sent without a date"),
        (sent.isna() | (sent >= NOW), "not sent"),
        (~is_delivered, "not delivered"),
        (messages["clicked_at"] < NOW, "clicked"),
        otherwise="not clicked",
        index=messages.index,
    )
    return _counted(sent.where(sent < NOW), outcome, messages["campaign_id"])


def _local(at: pd.Series) -> pd.Series:
    return at.dt.tz_convert(TZ).dt.tz_localize(None)


def _month(at: pd.Series) -> pd.Series:
    return _local(at).dt.to_period("M").rename("month")


def _before(column: str, rows: pd.DataFrame) -> pd.DataFrame:
    return rows[~(rows[column] >= NOW)]


def _known(rows: pd.DataFrame) -> pd.DataFrame:
    return _before("created_at", rows)


def _outcome(*cases: Case, index: pd.Index, otherwise: str | None = None) -> pd.Series:
    """The word of the first case that holds, and nothing for none of them without another word."""
    words = [*dict.fromkeys(word for _, word in cases), *([otherwise] if otherwise else [])]
    codes = np.select(
        [condition for condition, _ in cases],
        [words.index(word) for _, word in cases],
        words.index(otherwise) if otherwise else -1,
    )
    return pd.Series(pd.Categorical.from_codes(codes, pd.Index(words)), index=index, name="outcome")


def _customer(index: pd.Index) -> pd.Series:
    return pd.Series(
        pd.Categorical.from_codes(np.zeros(len(index), int), pd.Index(["customer"])), index=index, name="outcome"
    )


def _plain(found: Any, *, is_indexed: bool = True) -> pl.DataFrame:
    """A small table with days for months, and nothing for what is missing."""
    rows = found.reset_index() if is_indexed else found.copy()
    for column in rows.columns.intersection(["month", "began", "ended"]):
        at = rows[column].dt.to_timestamp() if isinstance(rows[column].dtype, pd.PeriodDtype) else rows[column]
        rows[column] = at.astype("datetime64[us]")
    if "outcome" in rows:
        rows["outcome"] = rows["outcome"].astype(str)
    days = [column for column in ("month", "began", "ended") if column in rows]
    return pl.from_pandas(rows, nan_to_null=True, include_index=False).with_columns(pl.col(days).cast(pl.Date))


def _counted(at: pd.Series, outcome: pd.Series, *groups: pd.Series) -> pl.DataFrame:
    """Rows by month, outcome and groups; what happened before the beginning does not count, and what has no date is in no month."""
    is_told = ~(at < BEGINNING)
    keys = pd.DataFrame({each.name: each[is_told] for each in (_month(at), outcome, *groups)})
    return _plain(keys.groupby(list(keys.columns), observed=True, dropna=False).size().rename("n"))


def _listed(taken: pd.Series, *keys: pd.Series) -> pl.DataFrame:
    """What was taken, listed by its keys."""
    grouped = taken.groupby(list(keys), observed=True, dropna=False)
    lists = [values.to_numpy() for _, values in grouped]
    return _plain(grouped.size().rename("n")).with_columns(taken=pl.Series(lists, dtype=pl.List(pl.Float64)))


def _with_left_out(counted: pl.DataFrame, flaw: pd.Series, *groups: pd.Series) -> pl.DataFrame:
    left_out = flaw.dropna().groupby([flaw.dropna(), *groups], observed=True, dropna=False).size().rename("n")
    return pl.concat([counted, _plain(left_out)], how="diagonal_relaxed")


def _lasting(began: pd.Series, ended: pd.Series, *others: pd.Series) -> list[pd.Series]:
    return [_month(began).rename("began"), _month(ended).rename("ended"), *others]


def _closed_at(deals: pd.DataFrame) -> pd.Series:
    return deals["closed_at"].where(deals["category"].isin(["won", "lost"]) & (deals["closed_at"] < NOW))


def _days_to_close(deals: pd.DataFrame) -> pd.Series:
    return (_local(deals["closed_at"]).dt.normalize() - _local(deals["created_at"]).dt.normalize()).dt.days


def _deal_flaws(deals: pd.DataFrame) -> list[Case]:
    category = deals["category"]
    return [
        (category.isna(), "no category"),
        (~category.isin(["open", "won", "lost"]), UNKNOWN),
        (category.isin(["won", "lost"]) & deals["closed_at"].isna(), "closed without a close date"),
    ]


def _closed_deals(deals: pd.DataFrame, *flaws: Case) -> pd.Series:
    category = deals["category"]
    is_later = category.isin(["won", "lost"]) & (deals["closed_at"] >= NOW)
    words = [(category == word, word) for word in ("won", "lost", "open")]
    return _outcome(*_deal_flaws(deals), (is_later, "open"), *flaws, *words, index=deals.index)


def _order_flaws(orders: pd.DataFrame) -> list[Case]:
    category = orders["category"]
    return [
        (orders["customer_id"].isna(), "no customer"),
        (category.notna() & ~category.isin(["open", "completed", "cancelled"]), UNKNOWN),
        (category == "cancelled", "cancelled"),
    ]


def _ordered(tables: Tables) -> pd.DataFrame:
    """Rows of orders with whether they are purchases."""
    orders = _before("at", tables["orders"])
    category = orders["category"]
    outcome = _outcome(
        (orders["at"].isna(), "no date"),
        (orders["amount"].isna(), "no amount"),
        (category == "cancelled", "cancelled"),
        (category.notna() & ~category.isin(["open", "completed"]), UNKNOWN),
        (orders["amount"] < 0, "refund"),
        otherwise="purchase",
        index=orders.index,
    )
    return orders[["id", "at", "amount"]].assign(outcome=outcome)


def _currency(column: pd.Series) -> str | None:
    """The one currency of all amounts, which are not added where there are several."""
    found = column.dropna().unique()
    if len(found) > 1:
        raise ValueError("amounts of several currencies cannot be added")
    return found[0] if len(found) else None


def _averaged(purchases: pd.DataFrame, currency: str | None) -> pl.DataFrame:
    inside = purchases[~(purchases["at"] < BEGINNING)]
    amount = inside["amount"]
    sums = pd.DataFrame({"total": amount, "squares": amount**2, "n": 1})
    found = sums.groupby([_month(inside["at"]), inside["outcome"]], observed=True, dropna=False).sum()
    return _plain(found.assign(currency=currency))


def _unresolved(tickets: pd.DataFrame) -> list[Case]:
    category, resolved = tickets["category"], tickets["resolved_at"]
    return [
        (category.isna() | category.isin(["open", "paused"]), "not resolved"),
        (category != "resolved", UNKNOWN),
        (resolved >= NOW, "not resolved"),
        (resolved.isna(), "resolved without a date"),
    ]


def _resolved_at(tickets: pd.DataFrame) -> pd.Series:
    return tickets["resolved_at"].where((tickets["category"] == "resolved") & (tickets["resolved_at"] < NOW))


def _contracts(tables: Tables) -> tuple[pd.DataFrame, list[Case]]:
    """Contracts, and why some do not count."""
    contracts = _before("started_at", tables["subscriptions"])
    category, started, ended = contracts["category"], contracts["started_at"], contracts["ended_at"]
    known = ["trial", "active", "frozen", "past_due", "cancelling", "lapsed"]
    return contracts, [
        (contracts["customer_id"].isna(), "no customer"),
        (category.notna() & ~category.isin(known), UNKNOWN),
        (category == "trial", "trial"),
        ((category == "lapsed") & ended.isna(), "ended without a date"),
        (started.isna(), "no start date"),
        (ended <= started, "covers no time"),
    ]


def _by_month(contracts: pd.DataFrame, freq: str, *groups: str) -> pd.DataFrame:
    """One row a month and customer who is active in it, with whether they were before and are after."""
    keys = ["customer_id", *groups]
    paid = contracts.assign(first_at=contracts.groupby(keys, dropna=False)["started_at"].transform("min"))
    months = pd.date_range(BEGINNING.date(), NOW.date(), freq=freq, tz=TZ)
    sums = {"before": "max", "after": "max", "is_first": "max"}
    if "paid" in paid:
        sums |= {"paid_before": "sum", "paid_after": "sum"}
    found = []
    for start, end in pairwise(months):
        inside = paid[(paid["started_at"] < end) & (paid["ended_at"].isna() | (paid["ended_at"] >= start))]
        before, after = inside["started_at"] < start, ~(inside["ended_at"] < end)
        flags = inside[keys].assign(before=before, after=after, is_first=inside["first_at"] >= start)
        if "paid" in paid:
            flags = flags.assign(paid_before=inside["paid"].where(before, 0), paid_after=inside["paid"].where(after, 0))
        found.append(flags.groupby(keys, as_index=False, dropna=False).agg(sums).assign(month=start.tz_localize(None)))
    return pd.concat(found)


def _standings(tables: Tables, freq: str, *groups: str) -> pl.DataFrame:
    contracts, flaws = _contracts(tables)
    flaw = _outcome(*flaws, index=contracts.index)
    customers = _by_month(contracts[flaw.isna()], freq, *groups)
    keys = ["month", *groups, "before", "after", "is_first"]
    told = customers.groupby(keys, dropna=False).size().rename("n").reset_index().assign(outcome="customer")
    others = [contracts.loc[flaw.notna(), group] for group in groups]
    return _with_left_out(_plain(told, is_indexed=False), flaw, *others)


def _paid_standings(tables: Tables) -> pl.DataFrame:
    """The same with what they pay by the month, and in which direction that changed."""
    contracts, flaws = _contracts(tables)
    months = contracts["billing_months"].fillna(1)
    unpaid = ((contracts["price"].isna(), "no amount"), (months < 1, "no billing period"))
    flaw = _outcome(*flaws, *unpaid, index=contracts.index)
    # Rounded to the unit that is summed, halves up.
    units = ((contracts["price"] * 10_000).round() * 2 + months) // (months * 2)
    customers = _by_month(contracts.assign(paid=units)[flaw.isna()], "MS")
    change = customers["paid_after"] - customers["paid_before"]
    customers = customers.assign(direction=np.sign(change), total=change, n=1)
    keys, amounts = ["month", "before", "after", "is_first", "direction"], ["total", "paid_before", "paid_after"]
    sums = customers.groupby(keys)[["n", *amounts]].sum().reset_index()
    sums[amounts] /= 10_000
    told = sums.assign(outcome="customer", currency=_currency(contracts["price_currency"]))
    return _with_left_out(_plain(told, is_indexed=False), flaw)
