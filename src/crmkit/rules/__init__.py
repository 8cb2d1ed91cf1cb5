"""One predicate language: rules about records, as data.

    rule = (field("country") == "TH") & ~field("tags").has("staff")

A rule is asked of a record by `predicate`, and of a store by its `find`; all give the same answers. It says yes or no, never
"unknown": a comparison with an empty field is false, so its negation is true. Text is compared as it is written, upper and
lower case apart, in the order of its characters' code points. Money is compared within one currency, and is neither more nor
less than money of another. `to_json` and `from_json` make a rule text that an end user may save.
"""

from crmkit.rules.columns import Column, Columns, columns
from crmkit.rules.evaluate import predicate
from crmkit.rules.operands import Operand, Operator
from crmkit.rules.plain import from_json, rule_from_plain, rule_to_plain, to_json
from crmkit.rules.tree import EVERYTHING, AllOf, AnyOf, Comparison, Field, Not, Rule, field

__all__ = [
    "EVERYTHING",
    "AllOf",
    "AnyOf",
    "Column",
    "Columns",
    "Comparison",
    "Field",
    "Not",
    "Operand",
    "Operator",
    "Rule",
    "columns",
    "field",
    "from_json",
    "predicate",
    "rule_from_plain",
    "rule_to_plain",
    "to_json",
]
