"""Packages: what customers have left of the units that they have paid for, and what expires."""

from typing import Any, Unpack

import narwhals as nw

from crmkit.errors import InvalidInput
from crmkit.frames.door import civil_day, day_number, day_of
from crmkit.frames.tally import Counts
from crmkit.metrics.asking import Steps, kpi
from crmkit.metrics.days import DUE, civil, dated, day_at, with_instant
from crmkit.metrics.definition import Definition
from crmkit.metrics.scope import Asked, Scope, make_scope, result
from crmkit.model.package import Package
from crmkit.model.usage import Usage
from crmkit.stats.periods import index_of

PACKAGE_BALANCE = Definition(
    name="package_balance",
    title="Balance of packages",
    text="How many units of their packages customers have left: visits that they have paid for and not made.",
    formula="sum of max(units + bonus units - used, 0) over the packages that have not expired",
    unit="count",
    inputs=("packages", "usages"),
    key="customer",
    methods={
        "left": "units left on packages that have not expired; details say what was used, and what expired unused"
    },
)


@kpi(PACKAGE_BALANCE)
def package_balance(
    *,
    packages: Any,
    usages: Any,
    method: str = "left",
    **asked: Unpack[Asked],
) -> Steps:
    """Return how many units customers have left on their packages at `as_of`, as `crmkit.model.balance` counts them.

    A usage counts on the days of its package, from `valid_from_on` up to, not including, `expires_on`, less what reversals gave
    back. A period is that of the creation of packages; those of which nobody knows it count where no period is asked for.

    Args:
        packages: records, or a Polars, pandas or Arrow table with `id`, `units` and `expires_on`; it reads `bonus_units`, `unit`,
            `valid_from_on` and `created_at`.
        usages: records or a table with `id`, `package_id`, `at` and `units`; it reads `reversal_of_id`.
        method: "left".
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in units; n is packages, and `details` have "units" and what became of them: "used + left + expired - overdrawn"
        are the units. Where there is no package the value is 0. There is no interval.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, or packages of several units, such as visits and minutes.

    >>> from datetime import date, UTC, datetime
    >>> visit = Usage(customer_id="ann", at=datetime(2025, 5, 2, tzinfo=UTC), package_id="ten")
    >>> package_balance(packages=[Package(id="ten", customer_id="ann", units=10)], usages=[visit], as_of=date(2025, 5, 31)).value
    9.0
    """
    scope = make_scope(PACKAGE_BALANCE, method, asked)
    rows = _balances(scope, packages, usages)
    expired = day_number(*civil_day("expires_on")) <= index_of(day_at(scope, scope.as_of), "day")
    state = nw.when(expired).then(nw.lit(_EXPIRED)).otherwise(nw.lit(_VALID))
    outcome = nw.concat_str([state, nw.col("unit")])
    (found,) = yield [
        scope.question(rows, at="created_at", outcome=outcome, bucket=nw.col("rest"), amount=nw.col("total"))
    ]
    counted = sorted({outcome for counts in found.values() for outcome in counts})
    return result(scope, found, counted, _units_left, numerator=[each for each in counted if each.startswith(_VALID)])


PACKAGE_EXPIRY = Definition(
    name="package_expiry",
    title="Units that expire",
    text="Of the units of the packages that expired in the period, the share that was not used.",
    formula="sum of max(units + bonus units - used, 0) / sum of units and bonus units, over packages by the day of expiry",
    unit="share",
    inputs=("packages", "usages"),
    key="customer",
    methods={"units": "units expired / units of the packages that expired, so large packages weigh more"},
)


@kpi(PACKAGE_EXPIRY)
def package_expiry(
    *,
    packages: Any,
    usages: Any,
    method: str = "units",
    **asked: Unpack[Asked],
) -> Steps:
    """Return the share of the units of expired packages that nobody used.

    A package counts in the period of the civil day `expires_on`, the first on which it cannot be used. Units are counted as in
    `package_balance`.

    Args:
        packages: as for `package_balance`.
        usages: as for `package_balance`.
        method: "units".
        asked: as for every KPI, see `crmkit.metrics`.

    Returns:
        Measures in shares from 0 to 1; numerator units expired, denominator units; n is packages. No value, with a reason, where
        nothing expired. Left out and counted: packages that never expire. The units of a package expire together, so there is
        no interval.

    Raises:
        InvalidInput: for a missing column, a naive timestamp, or packages of several units, such as visits and minutes.

    >>> from datetime import date
    >>> ten = Package(id="ten", customer_id="ann", units=10, expires_on=date(2025, 5, 2))
    >>> package_expiry(packages=[ten], usages=[], as_of=date(2025, 5, 31)).value
    1.0
    """
    scope = make_scope(PACKAGE_EXPIRY, method, asked)
    rows = _balances(scope, packages, usages)
    rows = dated(rows, civil_day("expires_on"))
    outcome = nw.concat_str([nw.lit(_EXPIRED), nw.col("unit")])
    outcome = nw.when(nw.col(DUE).is_null()).then(nw.lit("never expires")).otherwise(outcome)
    (found,) = yield [
        civil(scope).question(rows, at=DUE, outcome=outcome, bucket=nw.col("rest"), amount=nw.col("total"))
    ]
    counted = sorted({outcome for counts in found.values() for outcome in counts} - {"never expires"})
    return result(scope, found, counted, _units_expired)


_VALID, _EXPIRED = "valid, in ", "expired, in "


def _balances(scope: Scope, packages: Any, usages: Any) -> nw.LazyFrame[Any]:
    """The packages with all their units as `total` and those that were not used as `rest`, which is negative if overdrawn."""
    uses = ("bonus_units", "unit", "valid_from_on", "created_at")
    table = scope.open(packages, Package, needs=("id", "units", "expires_on"), uses=uses)
    rows = with_instant(table, "created_at")
    rows = rows.filter(nw.col("created_at").is_null() | (nw.col("created_at") <= scope.known_until))
    bonus = nw.col("bonus_units").fill_null(0) if "bonus_units" in table.columns else nw.lit(0, nw.Int64)
    unit = nw.col("unit").fill_null("unit") if "unit" in table.columns else nw.lit("unit")
    rows = rows.with_columns(total=nw.col("units").fill_null(0).cast(nw.Int64) + bonus.cast(nw.Int64), unit=unit)
    until = day_number(*civil_day("expires_on"))
    from_ = nw.lit(None, nw.Int64)
    if "valid_from_on" in table.columns:
        from_ = day_number(*civil_day("valid_from_on"))
    days = rows.select(package_id="id", from_day=from_, until_day=until)
    used = _net_usages(scope, usages).join(days, on="package_id", how="inner")
    day = nw.col("used_day")
    is_valid = (nw.col("from_day").is_null() | (day >= nw.col("from_day"))) & (
        nw.col("until_day").is_null() | (day < nw.col("until_day"))
    )
    sums = used.filter(is_valid).select("net", id="package_id").group_by("id").agg(used=nw.col("net").sum())
    rest = nw.col("total") - nw.col("used").fill_null(0).cast(nw.Int64)
    return rows.join(sums, on="id", how="left").with_columns(rest=rest)


def _net_usages(scope: Scope, usages: Any) -> nw.LazyFrame[Any]:
    """The usages with what reversals left of each."""
    table = scope.open(
        usages, Usage, needs=("id", "package_id", "at", "units"), uses=("reversal_of_id",), is_main=False
    )
    known = table.rows.filter((nw.col("at") <= scope.known_until) & ~nw.col("package_id").is_null())
    if "reversal_of_id" not in table.columns:
        return known.select("package_id", used_day=day_of("at"), net=nw.col("units").cast(nw.Int64))
    reversals = known.filter(~nw.col("reversal_of_id").is_null()).select("package_id", "units", id="reversal_of_id")
    back = reversals.group_by("package_id", "id").agg(back=nw.col("units").sum())
    taken = known.filter(nw.col("reversal_of_id").is_null()).join(back, on=["package_id", "id"], how="left")
    left = nw.col("units").cast(nw.Int64) - nw.col("back").fill_null(0).cast(nw.Int64)
    net = nw.when(left > 0).then(left).otherwise(nw.lit(0, nw.Int64))
    return taken.select("package_id", used_day=day_of("at"), net=net)


def _check_one_unit(counts: Counts) -> None:
    units = sorted({outcome.partition(", in ")[2] for outcome in counts} - {""})
    if len(units) > 1:
        raise InvalidInput(
            f"units in {', '.join(units)} cannot be added; keep one with where=field('unit') == {units[0]!r}, or group by another column"
        )


def _units(counts: Counts, state: str) -> tuple[int, int, int, int]:
    """The packages of a state, their units, those that were not used, and those used beyond what there was."""
    chosen = [each for outcome, buckets in counts.items() if outcome.startswith(state) for each in buckets.items()]
    n, total = sum(sums.n for _, sums in chosen), sum(sums.total for _, sums in chosen)
    return (
        n,
        total,
        sum(max(rest, 0) * sums.n for rest, sums in chosen),
        sum(max(-rest, 0) * sums.n for rest, sums in chosen),
    )


def _units_left(counts: Counts) -> dict[str, Any]:
    _check_one_unit(counts)
    n, units, left, overdrawn = _units(counts, _VALID)
    n_expired, units_expired, expired, overdrawn_too = _units(counts, _EXPIRED)
    total, beyond = units + units_expired, overdrawn + overdrawn_too
    used = total - left - expired + beyond
    details = {"units": total, "used": used, "left": left, "expired": expired, "overdrawn": beyond}
    return {"value": float(left), "unit": "count", "numerator": left, "n": n + n_expired, "details": details}


def _units_expired(counts: Counts) -> dict[str, Any]:
    _check_one_unit(counts)
    n, units, expired, _ = _units(counts, _EXPIRED)
    return {
        "value": expired / units if units else None,
        "unit": "share",
        "numerator": expired,
        "denominator": units,
        "n": n,
        "reason": None if units else "no unit expired",
    }
