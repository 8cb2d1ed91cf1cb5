"""Preferences: what a customer wants, in words or as a range, so that offers can be matched against it."""

from collections.abc import Sequence

from crmkit.errors import InvalidRecord
from crmkit.model.records import Value, field, value


@value
class Preference(Value):
    """What a customer wants of one topic: one of several choices, or a number from `low` to `high`, both included.

    A bound that is None is open. `unit` is that of the bounds. `weight` compares preferences with each other on the
    business's own scale. Without `is_required` the preference is a wish, with it anything else is out of the question.
    Bounds the wrong way round raise `InvalidRecord`.

    >>> Preference("area", choices=["Mokotów", "Wola"]).is_required
    False
    >>> Preference("rooms", low=2, high=3, unit="rooms", is_required=True).high
    3.0
    """

    topic: str = field(category="qualitative")
    choices: Sequence[str] = field(default=(), category="qualitative", personal=True)
    low: float | None = field(default=None, category="qualitative", personal=True)
    high: float | None = field(default=None, category="qualitative", personal=True)
    unit: str | None = None
    weight: float | None = field(default=None, category="qualitative")
    is_required: bool = field(default=False, category="qualitative")

    def __attrs_post_init__(self) -> None:
        """Check that the bounds stand the right way round."""
        if self.low is not None and self.high is not None and self.low > self.high:
            raise InvalidRecord("Preference.low: it is above high; give the smaller personal value as low")
