"""The numbers of `bench/metrics.py` as an analyst writes them in SQL for DuckDB: one row a month or group, with its `value` and `n`."""

from collections.abc import Mapping

from company import BEGINNING, NOW

_AT = '"at"'
_FIRST, _NOW = f"TIMESTAMPTZ '{BEGINNING}'", f"TIMESTAMPTZ '{NOW}'"


def _inside(column: str) -> str:
    return f"{column} >= {_FIRST} AND {column} < {_NOW}"


def _month(column: str, part: str = "month") -> str:
    return f"date_trunc('{part}', {column}) AS month"


def _share(table: str, at: str, is_counted: str, where: str = "TRUE", groups: str = "") -> str:
    return (
        f"SELECT {_month(at)}, {groups}{', ' if groups else ''} avg(CASE WHEN {is_counted} THEN 1.0 ELSE 0.0 END) AS value, "
        f"count(*) AS n FROM {table} WHERE {_inside(at)} AND {where} GROUP BY ALL"
    )


def _durations(rows: str, keys: str) -> str:
    return (
        f"SELECT {keys}, median(taken) AS value, avg(taken) AS mean, quantile_cont(taken, 0.9) AS p90, count(*) AS n "
        f"FROM ({rows}) GROUP BY ALL"
    )


def _minutes(start: str, end: str) -> str:
    return f"(epoch_us({end}) - epoch_us({start})) / 60e6 AS taken"


_OPEN_DEALS = f"""
    SELECT month, sum(sum(amount)) OVER (ORDER BY month) AS value, sum(sum(n)) OVER (ORDER BY month) AS n FROM (
        SELECT {_month("created_at")}, sum(amount) AS amount, count(*) AS n FROM deals WHERE created_at < {_NOW} GROUP BY ALL
        UNION ALL
        SELECT {_month("closed_at")}, -sum(amount), -count(*) FROM deals
        WHERE created_at < {_NOW} AND category <> 'open' AND closed_at < {_NOW} GROUP BY ALL
    ) GROUP BY month
"""
_BOUGHT = f"""category <> 'cancelled' AND "at" < {_NOW}"""


def _customers(part: str, groups: str = "") -> str:
    listed = f", {groups}" if groups else ""
    return f"""
    WITH spans AS (
        SELECT start AS month, start + INTERVAL 1 {part} AS "end"
        FROM generate_series({_FIRST}, {_NOW} - INTERVAL 1 {part}, INTERVAL 1 {part}) AS series(start)
    ), paid AS (
        SELECT *, min(started_at) OVER (PARTITION BY customer_id{listed}) AS first_at, price / billing_months AS monthly
        FROM subscriptions WHERE category <> 'trial' AND started_at < {_NOW}
    ), customers AS (
        SELECT month, customer_id{listed}, bool_or(started_at < month) AS before,
            bool_or(ended_at IS NULL OR ended_at >= "end") AS after, bool_or(first_at >= month) AS is_first,
            sum(CASE WHEN started_at < month THEN monthly ELSE 0 END) AS paid_before,
            sum(CASE WHEN ended_at IS NULL OR ended_at >= "end" THEN monthly ELSE 0 END) AS paid_after
        FROM paid JOIN spans ON started_at < "end" AND (ended_at IS NULL OR ended_at >= month)
        GROUP BY ALL
    )
    """


_CHURN = """
    count(*) FILTER (before) AS n, count(*) FILTER (after) AS "end", count(*) FILTER (NOT before AND is_first) AS new,
    count(*) FILTER (NOT before AND NOT is_first) AS reactivated, count(*) FILTER (before AND NOT after) AS lost
"""

QUERIES: Mapping[str, str] = {
    "win_rate": _share("deals", "closed_at", "category = 'won'", "category IN ('won', 'lost')", "owner_id"),
    "sales_cycle": _durations(
        f"SELECT {_month('closed_at')}, date_diff('day', created_at::DATE, closed_at::DATE) AS taken FROM deals "
        f"WHERE category = 'won' AND {_inside('closed_at')}",
        "month",
    ),
    "stage_duration": _durations(
        f"""
        SELECT stage, (sum(spent) // 60000000) / 1440 AS taken, max("at") AS "at" FROM (
            SELECT subject_id, before AS stage, m."at", epoch_us(m."at") - epoch_us(coalesce(begun, d.created_at)) AS spent FROM (
                SELECT subject_id, before, "at", lag("at") OVER (PARTITION BY subject_id ORDER BY "at", id) AS begun
                FROM transitions WHERE subject = 'Deal' AND field = 'stage' AND "at" < {_NOW}
            ) m JOIN deals d ON d.id = subject_id
        ) GROUP BY subject_id, stage HAVING {_inside('max("at")')}
        """,
        "stage",
    ),
    "pipeline_value": f"SELECT * FROM ({_OPEN_DEALS}) WHERE month >= {_FIRST}",
    "pipeline_velocity": f"""
        SELECT month, closed.n, opened.n * won / closed.n * average / cycle AS value FROM (
            SELECT {_month("closed_at")}, count(*) AS n, count(*) FILTER (category = 'won') AS won,
                avg(amount) FILTER (category = 'won') AS average,
                avg(date_diff('day', created_at::DATE, closed_at::DATE)) FILTER (category = 'won') AS cycle
            FROM deals WHERE category IN ('won', 'lost') AND {_inside("closed_at")} GROUP BY ALL
        ) closed JOIN ({_OPEN_DEALS}) opened USING (month)
    """,
    "average_order_value": f"""
        SELECT {_month(_AT)}, avg(amount) AS value, stddev(amount) AS spread, count(*) AS n FROM (
            SELECT min("at") AS "at", sum(amount) AS amount FROM orders WHERE {_BOUGHT} GROUP BY id
        ) WHERE amount >= 0 AND {_inside(_AT)} GROUP BY ALL
    """,
    "average_row_value": f"""
        SELECT {_month(_AT)}, avg(amount) AS value, stddev(amount) AS spread, count(*) AS n FROM orders
        WHERE {_BOUGHT} AND amount >= 0 AND {_inside(_AT)} GROUP BY ALL
    """,
    "new_customers": f"""
        SELECT {_month(_AT)}, count(*) AS value, count(*) AS n FROM (
            SELECT min("at") AS "at" FROM orders WHERE {_BOUGHT} AND amount >= 0 GROUP BY customer_id
        ) WHERE {_inside(_AT)} GROUP BY ALL
    """,
    "customer_lifetime_value": f"""
        SELECT avg(amount) AS value, count(*) AS n FROM (
            SELECT min("at") AS "at", sum(amount) AS amount FROM orders WHERE {_BOUGHT} GROUP BY customer_id
        ) WHERE {_inside(_AT)}
    """,
    "churn_rate": f"{_customers('month')} SELECT month, {_CHURN}, lost / n AS value FROM customers GROUP BY ALL",
    "retention_rate": f"{_customers('quarter', 'plan')} SELECT month, plan, {_CHURN}, 1 - lost / n AS value FROM customers "
    "GROUP BY ALL",
    "mrr_movements": f"""
        {_customers("month")}
        SELECT month, sum(paid_after - paid_before) AS value, sum(paid_before) AS start, sum(paid_after) AS "end",
            count(*) FILTER (before <> after OR paid_after <> paid_before) AS n,
            sum(paid_after - paid_before) FILTER (before AND NOT after) AS churn,
            sum(paid_after - paid_before) FILTER (NOT before AND after AND is_first) AS new,
            sum(paid_after - paid_before) FILTER (NOT before AND after AND NOT is_first) AS reactivation,
            sum(paid_after - paid_before) FILTER (before AND after AND paid_after > paid_before) AS expansion,
            sum(paid_after - paid_before) FILTER (before AND after AND paid_after < paid_before) AS contraction
        FROM customers GROUP BY ALL
    """,
    "average_revenue_per_account": f"""
        {_customers("month")}
        SELECT month, sum(paid_after) / count(*) FILTER (after) AS value, count(*) FILTER (after) AS n FROM customers GROUP BY ALL
    """,
    "first_contact_resolution": f"""
        WITH replies AS (
            SELECT ticket_id, count(*) AS replies FROM interactions
            WHERE direction = 'outbound' AND provenance <> 'machine' AND "at" < {_NOW} GROUP BY ALL
        ), known AS (SELECT * FROM tickets WHERE created_at < {_NOW}), resolved AS (
            SELECT * FROM known
            WHERE category = 'resolved' AND {_inside("resolved_at")} AND resolved_at + INTERVAL 7 DAY < {_NOW}
        ), repeated AS (
            SELECT DISTINCT r.id FROM resolved r JOIN known k USING (customer_id, topic)
            WHERE k.created_at > r.resolved_at AND k.created_at <= r.resolved_at + INTERVAL 7 DAY
        )
        SELECT {_month("resolved_at")}, count(*) AS n,
            avg(CASE WHEN coalesce(replies, 0) <= 1 AND repeated.id IS NULL AND reopen_count = 0 THEN 1.0 ELSE 0.0 END) AS value
        FROM resolved LEFT JOIN replies ON ticket_id = resolved.id LEFT JOIN repeated ON repeated.id = resolved.id GROUP BY ALL
    """,
    "first_response_time": _durations(
        f"SELECT {_month('first_responded_at')}, {_minutes('created_at', 'first_responded_at')} FROM tickets "
        f"WHERE {_inside('first_responded_at')}",
        "month",
    ),
    "resolution_time": _durations(
        f"SELECT channel, {_minutes('created_at', 'resolved_at')} FROM tickets "
        f"WHERE category = 'resolved' AND {_inside('resolved_at')}",
        "channel",
    ),
    "reopen_rate": _share("tickets", "resolved_at", "reopen_count > 0", "category = 'resolved'"),
    "backlog": f"""
        SELECT month, count(*) AS n, count(*) AS value, median(age) AS median, avg(age) AS mean, quantile_cont(age, 0.9) AS p90
        FROM (
            SELECT start AS month, date_diff('day', created_at::DATE, (start + INTERVAL 1 MONTH)::DATE) - 1 AS age
            FROM generate_series({_FIRST}, {_NOW} - INTERVAL 1 MONTH, INTERVAL 1 MONTH) AS series(start)
            JOIN tickets ON created_at < start + INTERVAL 1 MONTH
                AND (category <> 'resolved' OR resolved_at >= start + INTERVAL 1 MONTH)
        ) GROUP BY ALL
    """,
    "nps": f"""
        SELECT month, 100.0 * (count(*) FILTER (score >= 9) - count(*) FILTER (score <= 6)) / count(*) AS value, count(*) AS n
        FROM (
            SELECT {_month("responded_at")}, customer_id, arg_max(score, responded_at) AS score FROM survey_responses
            WHERE kind = 'nps' AND score IS NOT NULL AND {_inside("responded_at")} GROUP BY ALL
        ) GROUP BY ALL
    """,
    "response_rate": _share("survey_responses", "sent_at", f"score IS NOT NULL AND responded_at < {_NOW}"),
    "new_leads": f"SELECT {_month('created_at')}, source, count(*) AS value, count(*) AS n FROM leads "
    f"WHERE {_inside('created_at')} GROUP BY ALL",
    "lead_conversion": _share("leads", "created_at", f"category = 'converted' AND converted_at < {_NOW}"),
    "click_rate": _share(
        "messages",
        "sent_at",
        f"clicked_at < {_NOW}",
        f"(delivered_at < {_NOW} OR opened_at < {_NOW} OR clicked_at < {_NOW})",
        "campaign_id",
    ),
}
