"""Requests over HTTP, against a real server on this machine."""

import logging
import socket
from collections.abc import Iterator
from datetime import timedelta

import pytest

from crmkit.errors import Conflict, InvalidInput, NotFound, RemoteUnavailable
from crmkit.io.sync import Http
from crmkit.io.sync.http import Refused
from tests.io.sync.server import START, Platform, serving

SECRET = "t0p-5ecret"


@pytest.fixture
def platform() -> Iterator[Platform]:
    with serving(Platform()) as served:
        yield served


class Asking:
    """An `Http` to a platform, and how long it waited."""

    def __init__(self, url: str, **options: object) -> None:
        self.waits: list[float] = []
        self.http = Http(
            url,
            login=SECRET,
            sleep=self.waits.append,
            jitter=lambda: 1.0,
            clock=lambda: START,
            **options,  # type: ignore[arg-type]
        )

    def get(self) -> dict[str, object]:
        try:
            return self.http.request("GET", "lists/a/members", params={"count": 2})
        finally:
            self.http.close()


def test_an_answer_comes_back_as_its_object(platform: Platform) -> None:
    platform.add("ann@example.com")
    asking = Asking(platform.url)
    assert len(asking.get()["members"]) == 1  # type: ignore[arg-type]
    assert asking.waits == []
    assert platform.requests[0][2]["Authorization"] == f"Bearer {SECRET}"


def test_a_busy_system_is_asked_again_after_growing_waits(platform: Platform) -> None:
    platform.troubles = [(503, {}), "lost before", (429, {}), (500, {})]
    asking = Asking(platform.url)
    assert asking.get() == {"members": []}
    assert asking.waits == [0.5, 1.0, 2.0, 4.0]


def test_chance_takes_off_at_most_half_of_a_wait(platform: Platform) -> None:
    platform.troubles = [(503, {})]
    asking = Asking(platform.url)
    asking.http._jitter = lambda: 0.0
    asking.get()
    assert asking.waits == [0.25]


@pytest.mark.parametrize(
    ("asked", "waited"),
    [
        ("7", 7.0),
        ("0", 0.0),
        ((START + timedelta(seconds=9)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 9.0),
        ((START - timedelta(seconds=9)).strftime("%a, %d %b %Y %H:%M:%S GMT"), 0.0),
        ("soon", 0.5),
        ("-3", 0.5),
        ("٣", 0.5),
    ],
)
def test_a_system_is_left_alone_for_as_long_as_it_asks(platform: Platform, asked: str, waited: float) -> None:
    headers = {"Retry-After": asked} if asked.isascii() else {"Retry-After": "x"}
    platform.troubles = [(429, headers)]
    asking = Asking(platform.url)
    asking.get()
    assert asking.waits == [waited]


def test_a_system_that_asks_for_too_long_is_given_up(platform: Platform) -> None:
    platform.troubles = [(429, {"Retry-After": "3600"})]
    asking = Asking(platform.url)
    with pytest.raises(
        RemoteUnavailable, match="asks to wait 3600 seconds, longer than longest_wait=60; try again then"
    ):
        asking.get()
    assert asking.waits == []


def test_a_system_that_stays_busy_is_given_up(platform: Platform) -> None:
    platform.troubles = [(503, {})] * 9
    asking = Asking(platform.url, retries=2)
    with pytest.raises(RemoteUnavailable, match="is busy .HTTP 503. after 3 attempts; try again later"):
        asking.get()
    assert len(platform.requests) == 3


def test_a_request_on_which_a_system_always_fails_is_refused_alone(platform: Platform) -> None:
    platform.troubles = [(500, {})] * 9
    with pytest.raises(Refused, match="failed on it 2 times"):
        Asking(platform.url, retries=1).get()


@pytest.mark.parametrize(
    ("status", "headers", "body", "error", "says"),
    [
        (401, {}, b"{}", RemoteUnavailable, "refuses the login .HTTP 401.; check the key"),
        (403, {}, b"{}", RemoteUnavailable, "refuses the login"),
        (404, {}, b"{}", NotFound, "does not have it"),
        (409, {}, b"{}", Conflict, "changed"),
        (412, {}, b"{}", Conflict, "changed"),
        (302, {"Location": "https://example.com"}, b"", RemoteUnavailable, "sends elsewhere"),
        (422, {}, b'{"title": "ann@example.com"}', InvalidInput, "does not accept it .HTTP 422."),
        (400, {}, b"not json", InvalidInput, "does not accept it"),
        (200, {}, b"<html>", RemoteUnavailable, "no JSON object"),
        (200, {}, b"[1]", RemoteUnavailable, "no JSON object"),
        (200, {"Content-Encoding": "gzip"}, b"broken", RemoteUnavailable, "cannot be reached"),
    ],
)
def test_every_answer_has_its_error(  # noqa: PLR0917 - a row of the table above
    platform: Platform, status: int, headers: dict[str, str], body: bytes, error: type[Exception], says: str
) -> None:
    platform.troubles = [(status, headers, body)]
    with pytest.raises(error, match=says) as caught:
        Asking(platform.url, retries=0).get()
    assert "@" not in str(caught.value)


def test_a_server_that_says_nothing_is_given_up_after_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        asking = Asking(f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.05, retries=1)
        with pytest.raises(RemoteUnavailable, match="127.0.0.1 cannot be reached .ReadTimeout. after 2 attempts"):
            asking.get()


def test_nobody_at_the_address_is_an_error_that_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}"
    with pytest.raises(RemoteUnavailable, match="cannot be reached .ConnectError."):
        Asking(url, retries=0).get()


@pytest.mark.parametrize(
    "url", ["", "api.example.com", "ftp://example.com", "https://me:pass@example.com", "http://example.com"]
)
def test_a_url_to_which_nothing_should_be_sent_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="give .*https://") as caught:
        Asking(url)
    assert "pass" not in str(caught.value)


def test_a_login_that_was_copied_wrongly_is_refused_without_being_shown() -> None:
    with pytest.raises(InvalidInput, match="copy it again") as caught:
        Http("https://example.com", login="sécret", sleep=print, jitter=float, clock=lambda: START)
    assert "cret" not in str(caught.value)


def test_no_secret_is_in_a_log_a_repr_or_an_error(platform: Platform, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    platform.troubles = [(503, {})] * 2
    asking = Asking(platform.url, retries=1)
    with pytest.raises(RemoteUnavailable) as caught:
        asking.get()
    said = f"{caplog.text}{caught.value!r}{caught.value.__cause__!r}{asking.http!r}{vars(asking.http)}"
    assert "127.0.0.1" in said
    assert SECRET not in said
