"""One predicate language: rules about records, as data.

    rule = (field("country") == "TH") & ~field("tags").has("staff")

A rule is asked of a record by `predicate`, of a store by its `find` and of a table by `where=`; all give the same answers. It says yes
or no, never "unknown": a comparison with an empty field is false, so its negation is true. Text is compared as it is written, upper
and lower case apart, in the order of its characters' code points. Money is compared within one currency, and is neither more nor
less than money of another. Relative time, such as `days_ago(90)`, counts from the moment at which the rule is asked, in civil days of a
time zone; related records, such as "orders.count", are those that link to the record. `to_json` and `from_json` make a rule text that
an end user may save, and `str` makes it a sentence.
"""

from crmkit.rules.check import related_classes
from crmkit.rules.columns import Column, Columns, columns
from crmkit.rules.evaluate import predicate
from crmkit.rules.operands import Operand, Operator
from crmkit.rules.plain import from_json, rule_from_plain, rule_to_plain, to_json
from crmkit.rules.relative import (
    Days,
    Relative,
    days_ago,
    days_ahead,
    last_days,
    last_month,
    last_quarter,
    last_week,
    last_year,
    next_days,
    this_month,
    this_quarter,
    this_week,
    this_year,
)
from crmkit.rules.sentence import ENGLISH
from crmkit.rules.tree import EVERYTHING, AllOf, AnyOf, Comparison, Field, Not, Rule, field

__all__ = [
    "ENGLISH",
    "EVERYTHING",
    "AllOf",
    "AnyOf",
    "Column",
    "Columns",
    "Comparison",
    "Days",
    "Field",
    "Not",
    "Operand",
    "Operator",
    "Relative",
    "Rule",
    "columns",
    "days_ago",
    "days_ahead",
    "field",
    "from_json",
    "last_days",
    "last_month",
    "last_quarter",
    "last_week",
    "last_year",
    "next_days",
    "predicate",
    "related_classes",
    "rule_from_plain",
    "rule_to_plain",
    "this_month",
    "this_quarter",
    "this_week",
    "this_year",
    "to_json",
]
