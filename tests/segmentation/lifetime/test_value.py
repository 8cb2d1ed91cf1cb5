"""Predictions beside customers: what they are worth, whether to believe it, and how it is loaded."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmkit.errors import InvalidInput
from crmkit.segmentation import lifetime
from crmkit.segmentation.lifetime import (
    BgNbd,
    GammaGamma,
    MbgNbd,
    ParetoNbd,
    calibration,
    independence,
    lifetime_value,
    predict,
    purchase_summary,
)
from tests.segmentation.lifetime.cdnow import END, SPLIT, in_polars, orders
from tests.segmentation.lifetime.laws import histories

MODEL = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
SPENDING = GammaGamma(p=6.25, q=3.74, v=15.44)
CUSTOMERS = pl.DataFrame(
    {
        "customer_id": ["ann", "ben", "cid"],
        "frequency": [2, 0, 7],
        "recency": [30.43, 0.0, 29.43],
        "age": [38.86, 38.86, 38.86],
        "value": [22.35, None, 73.74],
    }
)


def test_the_holdout_of_cdnow(cdnow: pl.DataFrame) -> None:
    found = calibration(cdnow, BgNbd.fit(cdnow))

    assert (found.customers, found.actual) == (2357, 1882)
    assert found.expected == pytest.approx(1653.409, abs=5e-4)
    assert found.bias == pytest.approx(-0.1215, abs=5e-5)
    assert found.correlation == pytest.approx(0.62565, abs=5e-6)
    assert found.mean_absolute_error == pytest.approx(0.78545, abs=5e-6)
    table = found.to_polars()
    assert table["label"].to_list() == ["0", "1", "2", "3", "4", "5", "6", "7 or more"]
    assert table["customers"].to_list() == [1411, 439, 214, 100, 62, 38, 29, 64]
    expected = [0.225, 0.523, 1.044, 1.520, 2.164, 2.654, 3.504, 6.157]
    actual = [0.237, 0.697, 1.393, 1.560, 2.532, 2.947, 3.862, 6.359]
    assert table["expected"].to_list() == pytest.approx(expected, abs=5e-4)
    assert table["actual"].to_list() == pytest.approx(actual, abs=6e-4)


def test_the_holdout_of_cdnow_by_the_other_models(cdnow: pl.DataFrame) -> None:
    for model in (MbgNbd, ParetoNbd):
        found = calibration(cdnow, model.fit(cdnow))

        assert found.bias is not None
        assert -0.2 < found.bias < 0
        assert found.correlation == pytest.approx(0.63, abs=0.01)


def test_a_calibration_is_drawn_with_its_groups_in_order(cdnow: pl.DataFrame) -> None:
    found = calibration(cdnow, MODEL, most=2)
    drawn = found.plot().to_dict()

    rows = next(iter(drawn["datasets"].values()))
    assert {row["label"] for row in rows} == {"0", "1", "2 or more"}
    assert drawn["encoding"]["x"]["sort"] == ["0", "1", "2 or more"]
    assert drawn["encoding"]["color"]["field"] == "purchases"
    means = {(row["label"], row["purchases"]): row["mean"] for row in rows}
    assert means["0", "expected"] == found.groups[0].expected


def test_a_calibration_of_nothing_has_no_figures() -> None:
    empty = pl.DataFrame(schema=dict.fromkeys([*CUSTOMERS.columns[1:], "holdout_frequency", "holdout_age"], pl.Float64))
    found = calibration(empty, MODEL)

    assert (found.customers, found.expected, found.actual, found.groups) == (0, 0, 0, ())
    assert (found.bias, found.correlation, found.mean_absolute_error) == (None, None, None)
    assert found.to_polars().height == 0


def test_holdouts_of_several_lengths_are_refused() -> None:
    held = CUSTOMERS.with_columns(holdout_frequency=pl.lit(1), holdout_age=pl.Series([39.0, 39.0, 10.0]))

    with pytest.raises(InvalidInput, match="'holdout_age' is not the same for all customers"):
        calibration(held, MODEL)
    with pytest.raises(InvalidInput, match="no column 'holdout_frequency'"):
        calibration(CUSTOMERS, MODEL)


def test_frequency_and_value_of_cdnow_hardly_go_together(cdnow: pl.DataFrame) -> None:
    found = independence(cdnow)

    assert found.pearson == pytest.approx(0.1139, abs=5e-5)
    assert found.spearman == pytest.approx(0.2063, abs=5e-5)
    assert found.customers == 946


@pytest.mark.parametrize("rows", [0, 1, 2])
def test_where_nothing_varies_there_is_no_correlation(rows: int) -> None:
    found = independence(
        pl.DataFrame(
            {"frequency": [2] * rows, "value": [1.0, 2.0][:rows]},
            schema_overrides={"value": pl.Float64, "frequency": pl.Int64},
        )
    )

    assert (found.pearson, found.spearman, found.customers) == (None, None, rows)


def test_a_value_is_the_purchases_of_each_month_discounted_from_its_end() -> None:
    found = lifetime_value(CUSTOMERS, MODEL, SPENDING, horizon_months=3, margin=0.4, discount=0.2)

    month = 365.25 / 12 / 7
    history = [CUSTOMERS[name].to_numpy() for name in ("frequency", "recency", "age")]
    until = [MODEL.expected_purchases(*history, periods=month * n) for n in range(4)]
    discounted = sum((until[n] - until[n - 1]) / 1.2 ** (n / 12) for n in (1, 2, 3))
    worth = SPENDING.expected_value(CUSTOMERS["frequency"], CUSTOMERS["value"])
    assert found["expected_value"].to_list() == pytest.approx(worth)
    assert found["lifetime_value"].to_list() == pytest.approx(0.4 * discounted * worth)


def test_without_discount_the_months_add_up() -> None:
    found = lifetime_value(CUSTOMERS, MODEL, 10.0, horizon_months=12)
    year = predict(CUSTOMERS, MODEL, periods=365.25 / 7)

    assert found["lifetime_value"].to_list() == pytest.approx((year["expected_purchases"] * 10).to_list())


def test_the_unit_of_time_changes_nothing_else() -> None:
    daily = CUSTOMERS.with_columns(pl.col("recency", "age") * 7)
    by_days = BgNbd(r=MODEL.r, alpha=MODEL.alpha * 7, a=MODEL.a, b=MODEL.b)
    options: dict[str, Any] = {"horizon_months": 12, "discount": 0.1}

    found = lifetime_value(daily, by_days, SPENDING, unit="day", **options)["lifetime_value"]
    assert found.to_list() == pytest.approx(
        lifetime_value(CUSTOMERS, MODEL, SPENDING, **options)["lifetime_value"].to_list()
    )


def test_more_discount_is_less_value_and_more_months_are_more() -> None:
    def total(**options: Any) -> float:
        return float(
            lifetime_value(CUSTOMERS, MODEL, SPENDING, **{"horizon_months": 12} | options)["lifetime_value"].sum()
        )

    assert total(discount=0.1) > total(discount=0.2) > total(discount=1)
    assert total(horizon_months=24) > total() > total(horizon_months=6)
    assert total(margin=0.25) == pytest.approx(total() / 4)
    assert total(margin=0) == 0


def test_where_spending_has_no_mean_the_value_is_empty() -> None:
    heavy = GammaGamma(p=0.5, q=0.8, v=10)
    for kind in (CUSTOMERS, CUSTOMERS.to_arrow()):
        found = pl.DataFrame(lifetime_value(kind, MODEL, heavy, horizon_months=1))
        assert found["lifetime_value"].is_null().to_list() == [False, True, False]
    assert lifetime_value(CUSTOMERS.to_pandas(), MODEL, heavy, horizon_months=1)["lifetime_value"].isna().sum() == 1


@pytest.mark.parametrize("kind", ["polars", "lazy", "pandas", "arrow", "duckdb"])
def test_every_kind_of_summary_is_fitted_and_predicted_alike(kind: str, cdnow: pl.DataFrame) -> None:
    arrow = cdnow.to_arrow()
    kinds = {
        "polars": cdnow,
        "lazy": cdnow.lazy(),
        "pandas": cdnow.to_pandas(),
        "arrow": arrow,
        "duckdb": duckdb.from_arrow(arrow),
    }
    summary = kinds[kind]
    model = BgNbd.fit(summary)

    assert model == BgNbd.fit(cdnow)
    assert GammaGamma.fit(summary) == GammaGamma.fit(cdnow)
    found: Any = predict(summary, model, periods=39)
    assert type(found) is (pl.DataFrame if kind == "duckdb" else type(summary))
    expected = predict(cdnow, model, periods=39)
    by_customer = dict(expected.select("customer_id", "expected_purchases").rows())
    assert dict(in_polars(found).select("customer_id", "expected_purchases").rows()) == by_customer


def test_a_table_of_pandas_keeps_its_index() -> None:
    summary = CUSTOMERS.to_pandas().set_index("customer_id")
    found = predict(summary, MODEL, periods=39)

    assert found.index.tolist() == ["ann", "ben", "cid"]
    assert "expected_purchases" not in summary.columns
    assert found.loc["ann", "expected_purchases"] == pytest.approx(1.226028, abs=5e-7)


def test_all_is_the_same_whole_weeks_later(published: Path, cdnow: pl.DataFrame) -> None:
    weeks = timedelta(weeks=60)
    later = orders(published).with_columns(pl.col("at") + weeks)
    summary = purchase_summary(later, as_of=SPLIT + weeks, holdout_until=END + weeks)

    assert summary.equals(cdnow)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"horizon_months": 0}, "horizon_months=0 is out of range; give a whole number from 1"),
        ({"horizon_months": 1.5}, "horizon_months=1.5 is out of range"),
        ({"margin": 1.2}, "margin=1.2 is no part of revenue"),
        ({"discount": -0.1}, "discount=-0.1"),
        ({"unit": "weeks"}, "unit='weeks' is not a unit of time"),
        ({"spending": float("nan")}, "spending=nan is no worth of a purchase"),
        ({"columns": {"age": "T"}}, "no column 'T'"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        lifetime_value(CUSTOMERS, MODEL, **{"spending": 10.0, "horizon_months": 12} | options)


def test_an_empty_history_is_refused_and_counted() -> None:
    holes = CUSTOMERS.with_columns(age=pl.Series([38.86, None, None]))

    with pytest.raises(InvalidInput, match="for 2 customers"):
        predict(holes, MODEL, periods=39)


def test_predictions_are_finite_numbers(cdnow: pl.DataFrame) -> None:
    for model in (BgNbd, MbgNbd, ParetoNbd):
        found = lifetime_value(predict(cdnow, model.fit(cdnow), periods=39), MODEL, SPENDING, horizon_months=12)
        numbers = found.select("probability_alive", "expected_purchases", "expected_value", "lifetime_value").to_numpy()
        assert np.isfinite(numbers).all()
        assert (numbers >= 0).all()


def test_every_listed_name_is_there() -> None:
    assert [name for name in lifetime.__all__ if not hasattr(lifetime, name)] == []
    assert set(lifetime.__all__) <= set(dir(lifetime))
    with pytest.raises(AttributeError, match="has no attribute 'bgnbd'; it has BetaDiscreteWeibull, BgNbd"):
        lifetime.bgnbd  # noqa: B018 - the access is what is tested


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_importing_lifetime_loads_no_scipy_and_a_summary_needs_none() -> None:
    code = (
        "import sys; sys.modules['scipy'] = None; from datetime import date; from crmkit.segmentation import lifetime; "
        "print(lifetime.purchase_summary([], as_of=date(2025, 5, 1)).height, 'numpy' in sys.modules)"
    )
    assert run(code) == "0 False\n"


def test_without_scipy_the_error_says_what_to_install() -> None:
    code = (
        "import sys; sys.modules['scipy'] = None; from crmkit.errors import MissingExtra; from crmkit.segmentation import lifetime\n"
        "try: lifetime.BgNbd\n"
        "except MissingExtra as error: print(error)"
    )
    assert run(code) == "the models of lifetime value need SciPy: pip install 'crmkit[lifetime]'\n"


@pytest.mark.parametrize("model", [BgNbd, MbgNbd, ParetoNbd])
@settings(max_examples=5)
@given(histories(), st.sampled_from([1e-3, 1.0, 1e3]))
def test_any_customers_can_be_fitted_and_predicted(model: Any, summary: pl.DataFrame, size: float) -> None:
    scaled = summary.with_columns(pl.col("recency", "age") * size)
    found = model.fit(scaled)
    predicted = predict(scaled, found, periods=10 * size)

    assert np.isfinite(found.log_likelihood)
    assert (found.standard_errors is None) == bool(found.warnings)
    assert predicted["probability_alive"].is_between(0, 1).all()
    assert predicted["expected_purchases"].is_between(0, 1e6).all()
