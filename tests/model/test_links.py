"""Links are found and changed wherever a record class declares them."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from hypothesis import given
from hypothesis import strategies as st

from crmkit.model.links import links_of, with_links
from crmkit.model.records import Record, Value, field, record, value

IDS = st.sampled_from(["ann", "anna", "ania", "bob"])


@value
class Tenant(Value):
    customer_id: str = field(links="Customer")
    share: float = 1.0


@value
class Room(Value):
    name: str
    tenants: Sequence[Tenant] = ()


@record
class House(Record):
    """Every way in which a record may link: to one, to many, inside, and inside what is inside."""

    owner_id: str | None = field(default=None, links="Customer")
    agent_id: str | None = field(default=None, links="Employee")
    former_owner_ids: Sequence[str] = field(default=(), links="Customer")
    neighbour_ids: AbstractSet[str] = field(default=frozenset(), links="Customer")
    caretaker: Tenant | None = None
    rooms: Sequence[Room] = ()


HOUSES = st.builds(
    House,
    id=st.uuids().map(str),
    owner_id=st.none() | IDS,
    agent_id=st.none() | IDS,
    former_owner_ids=st.lists(IDS, max_size=4),
    neighbour_ids=st.frozensets(IDS),
    caretaker=st.none() | st.builds(Tenant, IDS),
    rooms=st.lists(st.builds(Room, st.just("room"), st.lists(st.builds(Tenant, IDS), max_size=2)), max_size=2),
)

HOUSE = House(
    owner_id="ann",
    agent_id="eva",
    former_owner_ids=["bob", "ann"],
    neighbour_ids={"bob"},
    caretaker=Tenant("ann"),
    rooms=[Room("hall"), Room("attic", [Tenant("bob"), Tenant("ann", 0.5)])],
)


def test_every_link_is_found_by_its_path() -> None:
    assert links_of(HOUSE, {"Customer"}) == {
        "owner_id": ("ann",),
        "former_owner_ids": ("bob", "ann"),
        "neighbour_ids": ("bob",),
        "caretaker.customer_id": ("ann",),
        "rooms.1.tenants.0.customer_id": ("bob",),
        "rooms.1.tenants.1.customer_id": ("ann",),
    }


def test_links_to_other_classes_are_left_out() -> None:
    assert links_of(HOUSE, {"Employee"}) == {"agent_id": ("eva",)}


@given(house=HOUSES, other=HOUSES)
def test_what_is_written_to_a_path_stands_there(house: House, other: House) -> None:
    paths = links_of(house, {"Customer", "Employee"})
    wanted = {path: ids for path, ids in links_of(other, {"Customer", "Employee"}).items() if path in paths}
    changed = links_of(with_links(house, wanted), {"Customer", "Employee"})

    assert {path: set(ids) for path, ids in changed.items()} == {
        path: set(ids) for path, ids in (paths | wanted).items()
    }


@given(house=HOUSES)
def test_writing_what_stands_there_changes_nothing(house: House) -> None:
    assert with_links(house, links_of(house, {"Customer", "Employee"})) == house
    assert with_links(house, {}) == house
