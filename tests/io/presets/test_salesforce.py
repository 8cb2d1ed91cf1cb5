"""Exports of Salesforce, reports and data files alike, become customers, leads, deals and tickets."""

from datetime import UTC, date, datetime
from pathlib import Path

from crmkit.model import Consent, Contact, Customer, Deal, Employee, Lead, Money, Pipeline, Ticket, Transition
from tests.io.presets.exports import imported

ACCOUNTS = """
Id,IsDeleted,Name,BillingStreet,BillingCity,BillingState,BillingPostalCode,BillingCountry,Phone,Website,Industry,OwnerId,CreatedDate
001A,false,Navy Yard,1 Pier,Chicago,IL,60602,USA,312-555-0100,navy.example,Shipping,005X,2025-01-02T08:00:00.000Z
001B,true,Gone Ltd,,,,,,,,,005X,2025-01-02T08:00:00.000Z
"""
CONTACTS = """
Id,IsDeleted,AccountId,LastName,FirstName,Title,Email,Phone,MobilePhone,MailingPostalCode,HasOptedOutOfEmail,DoNotCall,OwnerId,LastModifiedDate
003A,false,001A,Hopper,Grace,Admiral,grace@navy.example,312-555-0111,,60602,true,true,005X,2025-02-03T10:00:00.000Z
003B,false,,Ng,Li,,li@example.com,,+44 7700 900000,,false,false,005Y,2025-02-03T10:00:00.000Z
"""
OPPORTUNITIES = """
Id,AccountId,Name,StageName,Amount,CurrencyIsoCode,Probability,CloseDate,LeadSource,NextStep,ForecastCategoryName,OwnerId,CreatedDate,IsClosed,IsWon
006A,001A,Hull,Closed Won,1000,USD,100,2025-03-01,Web,,Closed,005X,2025-01-10T08:00:00.000Z,true,true
006B,001A,Mast,Negotiation/Review,2000.5,EUR,90,2026-03-01,,Call,Commit,005X,2025-01-11T08:00:00.000Z,false,false
"""
CASES = """
Id,CaseNumber,ContactId,AccountId,Subject,Status,Priority,Origin,Type,Reason,OwnerId,CreatedDate,ClosedDate
500A,00001001,003A,001A,Leak,Closed,High,Phone,Problem,Breakdown,005X,2025-04-01T08:00:00.000Z,2025-04-02T09:30:00.000Z
500B,00001002,,001A,Oil,On Hold,Medium,Web,Question,,005Y,2025-04-01T08:00:00.000Z,
"""
DATA = {"Account.csv": ACCOUNTS, "Contact.csv": CONTACTS, "Opportunity.csv": OPPORTUNITIES, "Case.csv": CASES}


def test_records_are_linked_by_their_ids(tmp_path: Path) -> None:
    found = imported(tmp_path, DATA)
    customers, [link] = found[Customer], found[Contact].values()
    assert set(customers) == {"001A", "003A", "003B"}
    assert (link.person_id, link.organization_id, link.role) == (customers["003A"].id, customers["001A"].id, "Admiral")
    assert found[Deal]["006A"].customer_id == customers["001A"].id
    assert found[Ticket]["500A"].customer_id == customers["003A"].id
    assert found[Deal]["006A"].owner_id == found[Employee]["005X"].id


def test_opt_outs_of_two_channels_are_two_withdrawals_at_the_latest_change(tmp_path: Path) -> None:
    consents = imported(tmp_path, DATA)[Consent].values()
    assert sorted((each.channel, each.state, each.at) for each in consents) == [
        (channel, "withdrawn", datetime(2025, 2, 3, 10, tzinfo=UTC)) for channel in ("email", "phone")
    ]


def test_opportunities_have_their_stage_currency_and_chance(tmp_path: Path) -> None:
    found = imported(tmp_path, DATA)
    won, lead = found[Deal]["006A"], found[Deal]["006B"]
    assert (won.category, won.amount, won.closed_at) == ("won", Money("1000", "USD"), datetime(2025, 3, 1, tzinfo=UTC))
    assert (lead.category, lead.amount, lead.closed_at) == ("open", Money("2000.50", "EUR"), None)
    assert (lead.probability, lead.forecast_category, lead.expected_close_on) == (0.9, "Commit", date(2026, 3, 1))
    [pipeline] = found.store.every(Pipeline)
    assert pipeline.labels()[0] == "Prospecting"


def test_cases_are_tickets(tmp_path: Path) -> None:
    tickets = imported(tmp_path, DATA)[Ticket]
    closed, held = tickets["500A"], tickets["500B"]
    assert (closed.number, closed.category, closed.priority) == ("00001001", "resolved", "high")
    assert closed.resolved_at == datetime(2025, 4, 2, 9, 30, tzinfo=UTC)
    assert (held.status, held.category, held.priority, held.channel) == ("On Hold", "paused", "normal", "Web")


def test_a_report_links_accounts_by_their_names(tmp_path: Path) -> None:
    report = """
Opportunity Name,Account Name,Stage,Amount,Probability (%),Close Date,Opportunity Owner,Created Date
Hull,Navy Yard,Prospecting,$1000,10%,2026-03-01,Ann Lee,2025-01-10
Mast,Navy Yard,Prospecting,$2000,10%,2026-03-02,Ann Lee,2025-01-10
"""
    found = imported(tmp_path, {"report.csv": report}, currency="USD")
    [account] = found[Customer].values()
    assert {each.customer_id for each in found[Deal].values()} == {account.id}
    assert {each.probability for each in found[Deal].values()} == {0.1}
    assert account.name == "Navy Yard"


def test_leads_have_fixed_categories_and_what_they_became(tmp_path: Path) -> None:
    leads = """
Id,LastName,FirstName,Company,Email,Status,IsConverted,ConvertedDate,ConvertedContactId,OwnerId,LeadSource
00Q1,Doe,John,Acme,john@example.com,Open - Not Contacted,false,,,005X,Web
00Q2,Roe,Jane,Beta,jane@example.com,Closed - Not Converted,false,,,005X,Referral
00Q3,Hopper,Grace,Navy Yard,grace@navy.example,Closed - Converted,true,2025-01-05,003A,005X,Web
"""
    found = imported(tmp_path, {**DATA, "Lead.csv": leads})
    made = found[Lead]
    assert {key: each.category for key, each in made.items()} == {
        "00Q1": "open",
        "00Q2": "disqualified",
        "00Q3": "converted",
    }
    assert (made["00Q1"].name, made["00Q1"].organization_name, made["00Q1"].source) == ("John Doe", "Acme", "Web")
    assert made["00Q3"].customer_id == found[Customer]["003A"].id
    assert made["00Q3"].converted_at == datetime(2025, 1, 5, tzinfo=UTC)


def test_the_history_of_opportunities_tells_when_each_stage_was_entered(tmp_path: Path) -> None:
    history = """
Id,OpportunityId,StageName,Amount,Probability,ForecastCategory,CloseDate,CreatedDate,CreatedById
008A,006A,Prospecting,900,10,Pipeline,2025-03-01,2025-01-10T08:00:00.000Z,005X
008B,006A,Closed Won,1000,100,Closed,2025-03-01,2025-03-01T16:00:00.000Z,005X
"""
    found = imported(tmp_path, {**DATA, "OpportunityHistory.csv": history})
    deal = found[Deal]["006A"]
    moves = sorted(found.store.every(Transition), key=lambda each: each.at)
    assert [(each.subject, each.subject_id, each.field, each.after, each.category_after) for each in moves] == [
        ("Deal", deal.id, "stage", "Prospecting", "open"),
        ("Deal", deal.id, "stage", "Closed Won", "won"),
    ]
    assert moves[1].at == datetime(2025, 3, 1, 16, tzinfo=UTC)
