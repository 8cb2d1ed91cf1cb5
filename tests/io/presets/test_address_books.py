"""Address books of Google, Outlook and Jobber and vCards, which mostly have no ids, become people and their organizations."""

import json
from datetime import date
from pathlib import Path

from crmkit.io import formats
from crmkit.io.importing import plan_import
from crmkit.io.presets import mapping_for
from crmkit.io.stores import open_store
from crmkit.model import Contact, Customer
from crmkit.model.customer import primary
from tests.io.presets.exports import imported

GOOGLE = """
First Name,Middle Name,Last Name,Phonetic First Name,Nickname,Organization Name,Organization Title,Birthday,Notes,Photo,Labels,\
E-mail 1 - Label,E-mail 1 - Value,E-mail 2 - Value,Phone 1 - Label,Phone 1 - Value,Address 1 - Street,Address 1 - City,Address 1 - Country
Grace,Brewster,Hopper,,,Navy,Admiral,1906-12-09,,,* myContacts ::: Navy,* Work,grace@navy.example ::: g@navy.example,h@example.com,\
Mobile,312-555-0111,1 Main St,Arlington,USA
,,,,,,,,,,* Other Contacts,,user@example.com,,,,,,
"""
OLD_GOOGLE = """
Name,Given Name,Additional Name,Family Name,Yomi Name,Birthday,Notes,Group Membership,E-mail 1 - Type,E-mail 1 - Value,\
Phone 1 - Type,Phone 1 - Value,Organization 1 - Name,Organization 1 - Title
Sam Rivera,Sam,,Rivera,,,a note,* myContacts,Work,sam@rivera.example,Mobile,312-555-0144,Rivera Roofing,Owner
"""
OUTLOOK = """
First Name,Middle Name,Last Name,Title,Suffix,E-mail Address,E-mail 2 Address,Home Phone,Business Phone,Mobile Phone,Birthday,\
Business Street,Business City,Business Postal Code,Business Country/Region,Company,Job Title,Categories,Notes
Ann,M,Lee,,,ann@lee.example,ann2@lee.example,,+48 22 100,+48 600,,Prosta 1,Warsaw,00-950,Poland,Lee Ltd,Boss,Friends;VIP,knows Bob
,,,,,info@shop.example,,,,,,,,,,Shop,,,
"""


def test_the_present_layout_of_google(tmp_path: Path) -> None:
    found = imported(tmp_path, {"contacts.csv": GOOGLE})
    grace, [link] = found.person("Grace Brewster Hopper"), found[Contact].values()
    assert [(each.kind, each.value) for each in grace.contact_points] == [
        ("email", "grace@navy.example"),
        ("email", "g@navy.example"),
        ("email", "h@example.com"),
        ("phone", "312-555-0111"),
        ("address", "1 Main St, Arlington, USA"),
    ]
    assert (grace.birth_on, grace.city, grace.tags) == (date(1906, 12, 9), "Arlington", {"* myContacts", "Navy"})
    assert (link.person_id, link.role) == (grace.id, "Admiral")
    assert link.organization_id == found.person("Navy").id
    assert found.person("user@example.com").given_name is None


def test_the_former_layout_of_google(tmp_path: Path) -> None:
    found = imported(tmp_path, {"google.csv": OLD_GOOGLE})
    sam, [link] = found.person("Sam Rivera"), found[Contact].values()
    assert (sam.given_name, sam.family_name, sam.custom["Notes"]) == ("Sam", "Rivera", "a note")
    assert (link.organization_id, link.role) == (found.person("Rivera Roofing").id, "Owner")


def test_outlook(tmp_path: Path) -> None:
    found = imported(tmp_path, {"outlook.csv": OUTLOOK})
    ann = found.person("Ann M Lee")
    mail = primary(ann, "email")
    assert mail is not None
    assert mail.value == "ann@lee.example"
    assert [(each.label, each.value) for each in ann.contact_points if each.kind == "phone"] == [
        ("work", "+48 22 100"),
        ("mobile", "+48 600"),
    ]
    [place] = [each for each in ann.contact_points if each.kind == "address"]
    assert (place.label, place.value) == ("work", "Prosta 1, 00-950, Warsaw, Poland")
    assert (ann.tags, ann.custom["Notes"]) == ({"Friends", "VIP"}, "knows Bob")
    shop = found.person("info@shop.example")
    links = {each.person_id: each.organization_id for each in found[Contact].values()}
    assert links == {ann.id: found.person("Lee Ltd").id, shop.id: found.person("Shop").id}


def test_jobber(published: Path, tmp_path: Path) -> None:
    [path] = (published / "crm_export_samples").glob("*/jobber.csv")
    found = imported(tmp_path, {path.name: path.read_text()})
    dana = found.person("Dana Cole")
    assert (dana.city, [each.kind for each in dana.contact_points]) == ("Evanston", ["email", "phone", "address"])
    assert found.person("Cole Plumbing").kind == "organization"


def test_a_contact_without_a_name_is_called_by_what_is_known(tmp_path: Path) -> None:
    text = "First Name,Last Name,Organization Name,Birthday,Labels,E-mail 1 - Value,Phone 1 - Value\n,,, --12-25,,,+48 600\n,,Acme,,,,\n"
    found = imported(tmp_path, {"contacts.csv": text})
    assert {each.name for each in found.store.every(Customer)} == {"+48 600", "Acme"}
    assert found.person("+48 600").custom == {"Birthday": "--12-25"}
    assert any("birth_on" in str(each) for each in found.plan.problems)


def test_every_published_card_becomes_a_person_or_says_why_not(published: Path) -> None:
    counts = json.loads((published / "expected" / "vcards.json").read_text())["vcards"]
    unnamed, people, rejected = 0, 0, 0
    for name in counts:
        path = published / "vcards" / name
        mapping = mapping_for(path)
        if mapping is None:
            # There is nothing in its one card but the version.
            assert formats.by_name("vcard").columns(path) == ("VERSION",)
            unnamed += 1
            continue
        plan = plan_import(open_store("memory://"), path, mapping=mapping)
        people += sum(step.record == "Customer" and "person" in (step.data or ()) for step in plan.steps("create"))
        rejected += len(list(plan.steps("reject")))
    assert people + rejected + unnamed == sum(each["begin"] for each in counts.values())
    assert (unnamed, rejected) == (1, 1)
