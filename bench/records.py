"""What checking costs: creating a `Customer` against a plain frozen slotted attrs class with the same fields.

At most 3 times is promised. Both get the same arguments; the plain class has the same defaults.
"""

import timeit
from datetime import UTC, datetime

import attrs

from crmkit.model import ContactPoint, Customer, new_id

CALLS, ROUNDS = 5_000, 41


def plain_class() -> type:
    fields = {each.name: attrs.field(default=each.default) for each in attrs.fields(Customer)}
    return attrs.make_class("Plain", fields, frozen=True, slots=True, kw_only=True)


def main() -> None:
    plain = plain_class()
    arguments = {
        "id": new_id(),
        "kind": "person",
        "name": "Ann Kowalska",
        "created_at": datetime(2025, 5, 1, tzinfo=UTC),
        "country": "PL",
        "owner_id": "employee-7",
        "contact_points": (ContactPoint("email", "ann@example.org"),),
    }
    cases = {"few fields": dict(list(arguments.items())[:3]), "many fields": arguments}
    for name, given in cases.items():
        runs: dict[str, list[float]] = {"Plain": [], "Customer": []}
        for _ in range(ROUNDS):  # in turn, so that both see the same machine
            for cls in (plain, Customer):
                taken = timeit.timeit(lambda cls=cls, given=given: cls(**given), number=CALLS)
                runs[cls.__name__].append(taken / CALLS)
        best = {cls: min(times) for cls, times in runs.items()}
        ratio = best["Customer"] / best["Plain"]
        shown = ", ".join(f"{cls} {1e6 * seconds:.2f} us" for cls, seconds in best.items())
        print(f"{name}: {shown}; {ratio:.2f} times (promised: at most 3)")


if __name__ == "__main__":
    main()
