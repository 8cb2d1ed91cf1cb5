"""Audiences of Mailchimp become people with dated consents, and its report of campaigns becomes campaigns."""

from datetime import UTC, date, datetime
from pathlib import Path

from crmkit.model import Campaign, Consent, Customer
from tests.io.presets.exports import imported

SUBSCRIBED = """
Email Address,First Name,Last Name,Phone Number,MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LATITUDE,CC,LAST_CHANGED,LEID,EUID,NOTES,TAGS
ann@example.com,Ann,Lee,,4,2020-02-03 04:05:06,1.2.3.4,2020-02-03 05:00:00,1.2.3.4,52.1,PL,2021-01-01 00:00:00,1,aa,likes tea,"VIP,Blog"
bob@example.com,Bob,,,2,,,2020-03-03 05:00:00,,,,2021-01-01 00:00:00,2,bb,,
"""
UNSUBSCRIBED = """
Email Address,First Name,Last Name,MEMBER_RATING,OPTIN_TIME,CONFIRM_TIME,UNSUB_TIME,UNSUB_CAMPAIGN_TITLE,UNSUB_REASON,LEID,EUID
cy@example.com,Cy,Oh,1,2020-02-03 04:05:06,2020-02-03 05:00:00,2022-05-06 07:08:09,Spring,Too many,3,cc
"""
CAMPAIGNS = """
Title,Subject,List,Send Date,Send Weekday,Total Recipients,Successful Deliveries,Soft Bounces,Hard Bounces,Unique Opens,Open Rate,Abuse Complaints,Unique Id
Spring,Hello,Main list,"Jun 09, 2018 09:30 pm",Saturday,110,108,1,1,30,27.78%,0,17671f6028
"""


def test_subscribers_have_granted_and_the_others_withdrawn_their_consent(tmp_path: Path) -> None:
    found = imported(tmp_path, {"subscribed.csv": SUBSCRIBED, "unsubscribed.csv": UNSUBSCRIBED})
    names = {each.id: each.name for each in found.store.every(Customer)}
    assert sorted((names[each.customer_id], each.state, each.at) for each in found.store.every(Consent)) == [
        ("Ann Lee", "granted", datetime(2020, 2, 3, 5, tzinfo=UTC)),
        ("Bob", "granted", datetime(2020, 3, 3, 5, tzinfo=UTC)),
        ("Cy Oh", "granted", datetime(2020, 2, 3, 5, tzinfo=UTC)),
        ("Cy Oh", "withdrawn", datetime(2022, 5, 6, 7, 8, 9, tzinfo=UTC)),
    ]


def test_a_subscriber_keeps_tags_notes_and_the_day_of_signing_up(tmp_path: Path) -> None:
    ann = imported(tmp_path, {"subscribed.csv": SUBSCRIBED})[Customer]["ann@example.com"]
    assert (ann.tags, ann.country, ann.created_at) == ({"VIP", "Blog"}, "PL", datetime(2020, 2, 3, 4, 5, 6, tzinfo=UTC))
    assert (ann.custom["NOTES"], ann.custom["MEMBER_RATING"]) == ("likes tea", "4")


def test_a_campaign_keeps_its_counts(tmp_path: Path) -> None:
    [campaign] = imported(tmp_path, {"campaigns.csv": CAMPAIGNS})[Campaign].values()
    assert (campaign.name, campaign.channel, campaign.segment, campaign.category) == (
        "Spring",
        "email",
        "Main list",
        "complete",
    )
    assert campaign.starts_on == date(2018, 6, 9)
    assert (campaign.custom["Total Recipients"], campaign.custom["Unique Opens"]) == ("110", "30")
