"""Lists of Pipedrive become the records whose columns they show, also side by side."""

from datetime import UTC, date, datetime
from pathlib import Path

from crmkit.model import Contact, Customer, Deal, Employee, Lead, Money, Task
from tests.io.presets.exports import imported

PERSONS = """
Person - ID,Person - Name,Person - Email - Work,Person - Email - Home,Person - Phone,Person - Organization,Person - Owner,Person - Labels
88,Jordan Vega,jordan@acme.example,,"312-555-0122, 312-555-0123",Acme,Ann Lee,"Hot,Partner"
89,Sam Oh,,sam@example.com,,,Ann Lee,
"""
ORGANIZATIONS = """
Organization - ID,Organization - Name,Organization - Address,Organization - Owner,Organization - Won deals
5,Acme,"1 Main St, Chicago",Ben Fox,3
"""
DEALS = """
Deal - ID,Deal - Title,Deal - Value,Deal - Currency,Deal - Stage,Deal - Status,Deal - Organization,Deal - Owner,Deal - Won time,\
Deal - Lost time,Deal - Lost reason,Deal - Expected close date,Deal - Deal created
1,Roof,1500.50,USD,Proposal Made,Won,Acme,Ann Lee,2024-05-01 12:00:00,,,,2024-01-01 08:00:00
2,Wall,900,EUR,Demo Scheduled,Lost,Acme,Ann Lee,,2024-06-01 12:00:00,Price,,2024-01-01 08:00:00
3,Door,100,EUR,Measuring,Open,,Ann Lee,,,,2026-01-31,2024-01-01 08:00:00
"""
FILES = {"people.csv": PERSONS, "organizations.csv": ORGANIZATIONS, "deals.csv": DEALS}


def test_people_have_all_their_addresses_and_their_organization(tmp_path: Path) -> None:
    found = imported(tmp_path, FILES)
    person, [link] = found[Customer]["88"], found[Contact].values()
    assert [(each.kind, each.label, each.value) for each in person.contact_points] == [
        ("email", "work", "jordan@acme.example"),
        ("phone", None, "312-555-0122"),
        ("phone", None, "312-555-0123"),
    ]
    assert person.tags == {"Hot", "Partner"}
    assert (link.person_id, link.organization_id) == (person.id, found[Customer]["organization Acme"].id)


def test_an_organization_keeps_what_its_own_list_says(tmp_path: Path) -> None:
    found = imported(tmp_path, FILES)
    acme = found[Customer]["organization Acme"]
    assert [each.value for each in acme.contact_points] == ["1 Main St, Chicago"]
    assert acme.owner_id == found[Employee]["Ben Fox"].id
    assert acme.custom == {"Organization - ID": "5"}


def test_a_deal_is_where_its_status_says_or_else_at_its_stage(tmp_path: Path) -> None:
    found = imported(tmp_path, FILES)
    deals = found[Deal]
    assert {key: (each.stage, each.category, each.amount) for key, each in deals.items()} == {
        "1": ("Won", "won", Money("1500.50", "USD")),
        "2": ("Lost", "lost", Money("900", "EUR")),
        "3": ("Measuring", "open", Money("100", "EUR")),
    }
    assert [deals[key].closed_at for key in "123"] == [
        datetime(2024, 5, 1, 12, tzinfo=UTC),
        datetime(2024, 6, 1, 12, tzinfo=UTC),
        None,
    ]
    assert (deals["2"].lost_reason, deals["3"].expected_close_on) == ("Price", date(2026, 1, 31))
    assert deals["1"].customer_id == found[Customer]["organization Acme"].id


def test_without_a_column_of_stages_an_open_deal_is_at_the_first(tmp_path: Path) -> None:
    text = "Deal - ID,Deal - Title,Deal - Status\n1,Roof,Open\n2,Wall,Won\n"
    deals = imported(tmp_path, {"deals.csv": text})[Deal]
    assert {key: (each.stage, each.category) for key, each in deals.items()} == {
        "1": ("Qualified", "open"),
        "2": ("Won", "won"),
    }


def test_a_list_with_columns_of_several_kinds_becomes_all_of_them(published: Path, tmp_path: Path) -> None:
    [path] = (published / "crm_export_samples").glob("pipedrive_*/pipedrive_sample_import.csv")
    found = imported(tmp_path, {path.name: path.read_text()}, currency="USD")
    [person] = [each for each in found[Customer].values() if each.kind == "person"]
    [link], [deal], [task] = found[Contact].values(), found[Deal].values(), found[Task].values()
    assert person.name == "Tony Turner"
    assert [(each.kind, each.value) for each in person.contact_points] == [
        ("email", "tony.turner@moveer.com"),
        ("email", "tony.turner@gmial.com"),
        ("phone", "570-809-7197"),
    ]
    organization = found[Customer]["organization Moveer Limited"]
    assert (link.person_id, link.organization_id) == (person.id, organization.id)
    assert (deal.name, deal.customer_id, deal.amount) == ("Moveer Deal", organization.id, Money("100", "USD"))
    # A day that a spreadsheet wrote as a number is no date, but neither it nor its activity is lost.
    assert (task.subject, task.due_at, task.custom) == ("First pitch", None, {"Activity - Due date": "45631.0"})


def test_leads_and_activities_are_read(tmp_path: Path) -> None:
    leads = """
Lead - ID,Lead - Title,Lead - Owner,Lead - Source channel,Lead - Labels,Lead - Contact person,Lead - Organization
55ebb4c0,New roof,Ann Lee,Web forms,Hot,Jordan Vega,Acme
"""
    activities = """
Activity - ID,Activity - Subject,Activity - Type,Activity - Due date,Activity - Due time,Activity - Done,Activity - Assigned to user
7,Ring,Call,2025-01-02,09:30,Done,Ann Lee
8,See,Meeting,2025-01-03,,To do,Ann Lee
"""
    found = imported(tmp_path, {"leads.csv": leads, "activities.csv": activities})
    [lead], tasks = found[Lead].values(), found[Task]
    assert (lead.name, lead.organization_name, lead.source, lead.tags) == ("Jordan Vega", "Acme", "Web forms", {"Hot"})
    assert (tasks["7"].kind, tasks["7"].category, tasks["7"].due_at) == (
        "call",
        "done",
        datetime(2025, 1, 2, 9, 30, tzinfo=UTC),
    )
    assert (tasks["8"].kind, tasks["8"].category, tasks["8"].due_at) == (
        "appointment",
        "open",
        datetime(2025, 1, 3, tzinfo=UTC),
    )
