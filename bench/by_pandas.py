"""The numbers of `bench/metrics.py` as an analyst writes them in pandas: one row a month or group, with its `value` and `n`."""

from collections.abc import Mapping
from itertools import pairwise

import pandas as pd
from company import BEGINNING, NOW

Tables = Mapping[str, pd.DataFrame]
_WEEK = pd.Timedelta(days=7)


def win_rate(tables: Tables) -> pd.DataFrame:
    deals = tables["deals"]
    closed = deals[deals["category"].isin(["won", "lost"]) & _inside(deals["closed_at"])]
    return _share(closed, "closed_at", closed["category"] == "won", "owner_id")


def sales_cycle(tables: Tables) -> pd.DataFrame:
    deals = tables["deals"]
    won = deals[(deals["category"] == "won") & _inside(deals["closed_at"])]
    days = (won["closed_at"].dt.normalize() - won["created_at"].dt.normalize()).dt.days
    return _durations(days, _month(won["closed_at"]))


def stage_duration(tables: Tables) -> pd.DataFrame:
    moves = tables["transitions"]
    moves = moves[(moves["subject"] == "Deal") & (moves["field"] == "stage") & (moves["at"] < NOW)]
    moves = moves.sort_values(["subject_id", "at", "id"])
    begun = moves.groupby("subject_id")["at"].shift()
    stays = moves.assign(begun=begun).merge(
        tables["deals"][["id", "created_at"]], left_on="subject_id", right_on="id", suffixes=("", "_of_deal")
    )
    stays["spent"] = stays["at"] - stays["begun"].fillna(stays["created_at"])
    whole = stays.groupby(["subject_id", "before"], as_index=False).agg(spent=("spent", "sum"), at=("at", "max"))
    whole = whole[_inside(whole["at"])]
    return _durations(whole["spent"].dt.floor("min") / pd.Timedelta(days=1), whole["before"].rename("stage"))


def pipeline_value(tables: Tables) -> pd.DataFrame:
    deals = tables["deals"]
    deals = deals[deals["created_at"] < NOW]
    closed = deals[(deals["category"] != "open") & (deals["closed_at"] < NOW)]
    came = deals.groupby(_month(deals["created_at"]))["amount"].agg(["sum", "count"])
    went = closed.groupby(_month(closed["closed_at"]))["amount"].agg(["sum", "count"])
    moved = came.sub(went, fill_value=0).sort_index().cumsum().rename(columns={"sum": "value", "count": "n"})
    moved = moved.rename_axis("month").reset_index()
    return moved[moved["month"] >= BEGINNING]


def pipeline_velocity(tables: Tables) -> pd.DataFrame:
    deals = tables["deals"]
    opened = pipeline_value(tables).set_index("month")["n"]
    closed = deals[deals["category"].isin(["won", "lost"]) & _inside(deals["closed_at"])]
    won = closed[closed["category"] == "won"]
    days = (won["closed_at"].dt.normalize() - won["created_at"].dt.normalize()).dt.days
    months = _month(won["closed_at"])
    n = closed.groupby(_month(closed["closed_at"])).size()
    average, cycle = won.groupby(months)["amount"].agg(["mean", "size"]), days.groupby(months).mean()
    value = opened * average["size"] / n * average["mean"] / cycle
    return pd.DataFrame({"value": value, "n": n}).rename_axis("month").reset_index()


def average_order_value(tables: Tables) -> pd.DataFrame:
    bought = _bought(tables)
    purchases = bought.groupby("id").agg(at=("at", "min"), amount=("amount", "sum"))
    return _averaged(purchases)


def average_row_value(tables: Tables) -> pd.DataFrame:
    return _averaged(_bought(tables))


def new_customers(tables: Tables) -> pd.DataFrame:
    bought = _bought(tables)
    first = bought[bought["amount"] >= 0].groupby("customer_id")["at"].min()
    found = first[_inside(first)]
    return found.groupby(_month(found)).agg(value="size", n="size").reset_index()


def customer_lifetime_value(tables: Tables) -> pd.DataFrame:
    worth = _bought(tables).groupby("customer_id").agg(at=("at", "min"), amount=("amount", "sum"))
    worth = worth[_inside(worth["at"])]
    return pd.DataFrame({"value": [worth["amount"].mean()], "n": [len(worth)]})


def churn_rate(tables: Tables) -> pd.DataFrame:
    found = _churn(_customers(tables, "MS"), ["month"])
    return found.assign(value=found["lost"] / found["n"])


def retention_rate(tables: Tables) -> pd.DataFrame:
    found = _churn(_customers(tables, "QS", "plan"), ["month", "plan"])
    return found.assign(value=1 - found["lost"] / found["n"])


def mrr_movements(tables: Tables) -> pd.DataFrame:
    customers = _customers(tables, "MS")
    change, before, after, is_first = (customers[name] for name in ("change", "before", "after", "is_first"))
    moves = pd.DataFrame(
        {
            "month": customers["month"],
            "value": change,
            "n": (before != after) | (change != 0),
            "churn": change.where(before & ~after),
            "new": change.where(~before & after & is_first),
            "reactivation": change.where(~before & after & ~is_first),
            "expansion": change.where(before & after & (change > 0)),
            "contraction": change.where(before & after & (change < 0)),
            "start": customers["paid_before"],
            "end": customers["paid_after"],
        }
    )
    return moves.groupby("month").sum().reset_index()


def average_revenue_per_account(tables: Tables) -> pd.DataFrame:
    months = _customers(tables, "MS").groupby("month").agg(paid=("paid_after", "sum"), n=("after", "sum")).reset_index()
    return months.assign(value=months["paid"] / months["n"])


def first_contact_resolution(tables: Tables) -> pd.DataFrame:
    said, tickets = tables["interactions"], tables["tickets"]
    said = said[(said["direction"] == "outbound") & (said["provenance"] != "machine") & (said["at"] < NOW)]
    replies = said.groupby("ticket_id").size()
    tickets = tickets[tickets["created_at"] < NOW]
    resolved = tickets[
        (tickets["category"] == "resolved") & _inside(tickets["resolved_at"]) & (tickets["resolved_at"] + _WEEK < NOW)
    ]
    keys = ["customer_id", "topic"]
    pairs = resolved[["id", "resolved_at", *keys]].merge(tickets[["created_at", *keys]], on=keys)
    after = (pairs["created_at"] > pairs["resolved_at"]) & (pairs["created_at"] <= pairs["resolved_at"] + _WEEK)
    is_repeated = resolved["id"].isin(pairs.loc[after, "id"])
    few = resolved["id"].map(replies).fillna(0) <= 1
    return _share(resolved, "resolved_at", few & ~is_repeated & (resolved["reopen_count"] == 0))


def first_response_time(tables: Tables) -> pd.DataFrame:
    tickets = tables["tickets"]
    answered = tickets[_inside(tickets["first_responded_at"])]
    taken = answered["first_responded_at"] - answered["created_at"]
    return _durations(taken / pd.Timedelta(minutes=1), _month(answered["first_responded_at"]))


def resolution_time(tables: Tables) -> pd.DataFrame:
    tickets = tables["tickets"]
    resolved = tickets[(tickets["category"] == "resolved") & _inside(tickets["resolved_at"])]
    return _durations((resolved["resolved_at"] - resolved["created_at"]) / pd.Timedelta(minutes=1), resolved["channel"])


def reopen_rate(tables: Tables) -> pd.DataFrame:
    tickets = tables["tickets"]
    resolved = tickets[(tickets["category"] == "resolved") & _inside(tickets["resolved_at"])]
    return _share(resolved, "resolved_at", resolved["reopen_count"] > 0)


def backlog(tables: Tables) -> pd.DataFrame:
    tickets = tables["tickets"]
    months = pd.date_range(BEGINNING, NOW, freq="MS")
    rows = []
    for start, end in pairwise(months):
        is_left = (tickets["created_at"] < end) & (
            (tickets["category"] != "resolved") | (tickets["resolved_at"] >= end)
        )
        age = (end - tickets.loc[is_left, "created_at"].dt.normalize()).dt.days - 1
        rows.append((start, len(age), len(age), age.median(), age.mean(), age.quantile(0.9)))
    return pd.DataFrame(rows, columns=["month", "value", "n", "median", "mean", "p90"])


def nps(tables: Tables) -> pd.DataFrame:
    answers = tables["survey_responses"]
    answers = answers[(answers["kind"] == "nps") & answers["score"].notna() & _inside(answers["responded_at"])]
    answers = answers.assign(month=_month(answers["responded_at"])).sort_values("responded_at")
    latest = answers.drop_duplicates(["month", "customer_id"], keep="last")
    points = (latest["score"] >= 9).astype(int) - (latest["score"] <= 6).astype(int)
    found = points.groupby(latest["month"]).agg(["mean", "size"]).reset_index()
    return found.assign(value=100 * found["mean"], n=found["size"])


def response_rate(tables: Tables) -> pd.DataFrame:
    sent = tables["survey_responses"]
    sent = sent[_inside(sent["sent_at"])]
    return _share(sent, "sent_at", sent["score"].notna() & (sent["responded_at"] < NOW))


def new_leads(tables: Tables) -> pd.DataFrame:
    came = tables["leads"][_inside(tables["leads"]["created_at"])]
    found = came.groupby([_month(came["created_at"]), "source"]).size().rename("n").reset_index()
    return found.assign(value=found["n"])


def lead_conversion(tables: Tables) -> pd.DataFrame:
    came = tables["leads"][_inside(tables["leads"]["created_at"])]
    return _share(came, "created_at", (came["category"] == "converted") & (came["converted_at"] < NOW))


def click_rate(tables: Tables) -> pd.DataFrame:
    sent = tables["messages"]
    sent = sent[_inside(sent["sent_at"])]
    arrived = sent[(sent["delivered_at"] < NOW) | (sent["opened_at"] < NOW) | (sent["clicked_at"] < NOW)]
    return _share(arrived, "sent_at", arrived["clicked_at"] < NOW, "campaign_id")


def _inside(at: pd.Series) -> pd.Series:
    return (at >= BEGINNING) & (at < NOW)


def _month(at: pd.Series) -> pd.Series:
    return at.dt.tz_localize(None).dt.to_period("M").dt.to_timestamp().dt.tz_localize("UTC").rename("month")


def _share(rows: pd.DataFrame, at: str, is_counted: pd.Series, *groups: str) -> pd.DataFrame:
    found = is_counted.groupby([_month(rows[at]), *(rows[group] for group in groups)]).agg(["mean", "size"])
    return found.rename(columns={"mean": "value", "size": "n"}).reset_index()


def _durations(taken: pd.Series, key: pd.Series) -> pd.DataFrame:
    grouped = taken.groupby(key)
    found = grouped.agg(["median", "mean", "size"]).assign(p90=grouped.quantile(0.9))
    return found.rename(columns={"median": "value", "size": "n"}).reset_index()


def _bought(tables: Tables) -> pd.DataFrame:
    orders = tables["orders"]
    return orders[(orders["category"] != "cancelled") & (orders["at"] < NOW)]


def _averaged(purchases: pd.DataFrame) -> pd.DataFrame:
    inside = purchases[(purchases["amount"] >= 0) & _inside(purchases["at"])]
    found = inside.groupby(_month(inside["at"]))["amount"].agg(["mean", "std", "size"])
    return found.rename(columns={"mean": "value", "size": "n"}).reset_index()


def _customers(tables: Tables, freq: str, *groups: str) -> pd.DataFrame:
    """One row a month and customer who is active in it, with whether they were before and are after."""
    paid, keys = tables["subscriptions"], ["customer_id", *groups]
    paid = paid[(paid["category"] != "trial") & (paid["started_at"] < NOW)]
    paid = paid.assign(
        first_at=paid.groupby(keys)["started_at"].transform("min"), paid=paid["price"] / paid["billing_months"]
    )
    months = pd.date_range(BEGINNING, NOW, freq=freq)
    found = []
    for start, end in pairwise(months):
        inside = paid[(paid["started_at"] < end) & (paid["ended_at"].isna() | (paid["ended_at"] >= start))]
        before, after = inside["started_at"] < start, inside["ended_at"].isna() | (inside["ended_at"] >= end)
        flags = inside[keys].assign(
            before=before,
            after=after,
            is_first=inside["first_at"] >= start,
            paid_before=inside["paid"].where(before, 0),
            paid_after=inside["paid"].where(after, 0),
        )
        sums = {"before": "max", "after": "max", "is_first": "max", "paid_before": "sum", "paid_after": "sum"}
        found.append(flags.groupby(keys, as_index=False).agg(sums).assign(month=start))
    customers = pd.concat(found)
    return customers.assign(change=customers["paid_after"] - customers["paid_before"])


def _churn(customers: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    before, after, is_first = customers["before"], customers["after"], customers["is_first"]
    flags = customers[keys].assign(
        n=before, end=after, new=~before & is_first, reactivated=~before & ~is_first, lost=before & ~after
    )
    return flags.groupby(keys).sum().reset_index()
