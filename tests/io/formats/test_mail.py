"""Messages and mailboxes give who wrote to whom, when and what, whatever their programs did to them."""

import mailbox
import time
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import CrmError, ImportFailed
from crmkit.io.formats import mail
from crmkit.io.formats.row import Row
from tests.examples import few

HELLO = b"From: Ann <ann@x.example>\r\nDate: Tue, 1 Jul 2025 12:00:00 +0200\r\n"


def _read(tmp_path: Path, content: bytes) -> list[Row]:
    path = tmp_path / "messages"
    path.write_bytes(content)
    return list(mail.read(path))


def _one(tmp_path: Path, content: bytes) -> Row:
    (row,) = _read(tmp_path, content)
    return row


def test_a_message_is_read_whole(tmp_path: Path) -> None:
    message = EmailMessage()
    message["From"] = "Łucja Żółć <lucja@x.example>"
    message["To"] = '"Lee, Ann" <ann@x.example>, bob@x.example'
    message["Cc"] = "eve@x.example"
    message["Date"] = "Tue, 01 Jul 2025 12:00:00 +0200"
    message["Subject"] = "Zażółć gęślą jaźń, " * 5
    message["Message-ID"] = "<1@x.example>"
    message["In-Reply-To"] = "<0@x.example>"
    message.set_content("Dzień dobry\n\nŁucja\n")
    message.add_alternative("<p>page</p>", subtype="html")
    message.add_attachment(b"Kanarienvogel" * 1000, maintype="application", subtype="pdf", filename="a.pdf")
    row = _one(tmp_path, message.as_bytes())
    assert row.fault is None
    assert dict(row.values) == {
        "message_id": "1@x.example",
        "in_reply_to": "0@x.example",
        "from": "lucja@x.example",
        "from_name": "Łucja Żółć",
        "to": ["ann@x.example", "bob@x.example"],
        "cc": ["eve@x.example"],
        "at": datetime(2025, 7, 1, 10, tzinfo=UTC),
        "subject": ("Zażółć gęślą jaźń, " * 5).strip(),
        "text": "Dzień dobry\n\nŁucja",
        "automatic": False,
    }


def test_a_page_gives_its_words(tmp_path: Path) -> None:
    page = b"<head><title>t</title><style>p {}</style></head><p>Dear&nbsp;Ann,</p>\r\n<script>if (a<b) {}</script>1 &lt; 2<br>bye"
    row = _one(tmp_path, HELLO + b"Content-Type: text/html; charset=iso-8859-1\r\n\r\n" + page + b" M\xfcller")
    assert row.values["text"] == "Dear Ann,\n\n1 < 2\nbye Müller"


@pytest.mark.parametrize(
    ("header", "field", "expected"),
    [
        ("Subject: =?utf-8?q?=C5=81=C3=B3d?= =?utf-8?q?=C5=BA?=", "subject", "Łódź"),
        ("Subject: =?hex?q?ab?= =?utf-9?b?xx?=", "subject", "ab\xc7"),
        ("Subject: raw Łódź", "subject", "raw Łódź"),
        ("Subject:", "subject", None),
        ("To: undisclosed-recipients:;", "to", []),
        ("To: =?utf-8?q?Lee=2C_Ann?= <ann@x>", "to", ["ann@x"]),
        ("Auto-Submitted: auto-replied", "automatic", True),
        ("Precedence: bulk", "automatic", True),
        ("Auto-Submitted: no", "automatic", False),
    ],
)
def test_headers_are_read_as_they_are_meant(tmp_path: Path, header: str, field: str, expected: object) -> None:
    assert _one(tmp_path, HELLO + header.encode() + b"\r\n\r\nx").values[field] == expected


def test_a_mailbox_gives_each_message_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "box.mbox"
    box = mailbox.mbox(path)
    for number in range(3):
        message = EmailMessage()
        message["From"], message["Date"], message["Subject"] = "ann@x", "Tue, 1 Jul 2025 12:00:00 -0000", str(number)
        message.set_content("first\n\nFrom here on\n\nFrom Ann with 2025 words\n>From you\n")
        box.add(message)
    box.close()
    rows = list(mail.read(path))
    lines = path.read_bytes().splitlines()
    assert [row.values["subject"] for row in rows] == ["0", "1", "2"]
    assert all(lines[row.line - 1].startswith(b"From ") for row in rows)
    assert {row.values["at"] for row in rows} == {datetime(2025, 7, 1, 12, tzinfo=UTC)}
    assert rows[0].values["text"].startswith("first\n\nFrom here on\n\nFrom Ann with")
    assert mail.columns(path) == mail.FIELDS


def test_a_message_that_is_not_certain_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (
        _one(tmp_path, b"From: a@x\r\nDate: yesterday\r\n\r\nx").fault == "has no date; give the day when it was sent"
    )
    rows = _read(
        tmp_path, b"From a Tue Jul 1 12:00:00 2025\n" + HELLO + b"\nx\n\nFrom b Tue Jul 1 12:00:00 2025\n\nno message\n"
    )
    assert [bool(row.fault) for row in rows] == [False, True]
    many = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        + b"--b\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" * 5000
    )
    assert "has more than 200 parts" in str(_one(tmp_path, HELLO + many).fault)
    monkeypatch.setattr(mail, "MOST_BYTES", 200)
    assert "MiB; take out what is attached" in str(_one(tmp_path, HELLO + b"\r\n" + b"x\n" * 200).fault)


@pytest.mark.parametrize("content", [b"", b"name,phone\n1,2\n", b"\x89PNG\r\n", b"<html>From: x"])
def test_what_is_no_message_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ImportFailed, match=r"holds no message; give a message \(.eml\) or a mailbox"):
        _read(tmp_path, content)
    with pytest.raises(ImportFailed, match="is not there"):
        mail.columns(tmp_path / "nowhere.eml")


def test_hostile_messages_cost_no_more_than_their_length(tmp_path: Path) -> None:
    begun = time.process_time()
    html = b"Content-Type: text/html\r\n\r\n"
    for content in (
        b"To: " + b"(" * 100_000,
        b"To: " + b"a@x," * 50_000,
        b"To: " + b'"' * 100_000,
        b"To: " + b"<" * 100_000,
        b"Subject: " + b"=?utf-8?q?a" * 50_000,
        b"Subject: " + b"=?utf-8?q?=41?= " * 50_000,
        b"Date: " + b"1 " * 50_000,
        b"Message-ID: " + b"<" * 100_000,
        html + b"<" * 200_000,
        html + b"<script>" * 50_000,
        html + b"<a" * 100_000,
        html + b"&" * 200_000,
        b"Content-Type: text/plain; " + b"a*0*=x; " * 5_000,
        b"Content-Type: text/plain; charset*=" + b"'" * 10_000,
        b"Content-Transfer-Encoding: base64\r\n\r\n" + b"=" * 100_000,
    ):
        _read(tmp_path, HELLO + content)
    assert time.process_time() - begun < 8


pieces = st.sampled_from(
    [
        b"From: a@x\n",
        b"From a 2025\n",
        b"Date: Tue, 1 Jul 2025 12:00:00 +0200\n",
        b"\n",
        b"To: ",
        b"(",
        b'"',
        b"=?utf-8?b?",
        b"?=",
        b"<",
        b"Content-Type: multipart/mixed; boundary=b\n",
        b"--b\n",
        b"Content-Type: text/html; charset=",
        b"Content-Transfer-Encoding: base64\n",
        b"\xff",
        b"\0",
        b" ",
        b"Subject: x\n",
    ]
)


@few
@given(st.lists(pieces, max_size=25).map(b"".join))
def test_hostile_bytes_give_rows_or_our_errors(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "hostile.eml"
    path.write_bytes(b"From: a@x\n" + content)
    try:
        rows = list(mail.read(path))
    except CrmError:
        return
    assert all(row.fault or row.values["at"] for row in rows)
