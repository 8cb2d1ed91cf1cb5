"""Requests to another system over HTTP: again where that may help, and no longer than it may take."""

from collections.abc import Callable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from ssl import SSLContext
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from crmkit.errors import Conflict, InvalidInput, NotFound, RemoteUnavailable

_BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})
_FIRST_WAIT = 0.5
_LOCAL = ("localhost", "127.0.0.1", "::1")


class Refused(InvalidInput):
    """Another system refuses one request; `status` is its HTTP status, and `title` what it calls the reason."""

    def __init__(self, message: str, status: int = 400, title: str = "") -> None:
        """Keep the reason beside the message, which does not show it: it may be personal."""
        super().__init__(message)
        self.status = status
        self.title = title


class Http:
    """A system that speaks JSON over HTTP.

    A request that meets a busy system (408, 425, 429, 5xx) or a lost connection is sent again, after as many seconds as the answer
    asks for (Retry-After), or else after a random part of a time that doubles. So every request must be one that may be sent twice.
    Neither the login nor anything that was sent or answered stands in an error or in `repr`. No proxy, certificate or login is taken
    from the environment.

    >>> from random import random
    >>> from time import sleep
    >>> Http("https://api.example.com", login="secret", sleep=sleep, jitter=random, clock=lambda: datetime.now(UTC))
    <Http api.example.com>
    """

    def __init__(
        self,
        url: str,
        *,
        sleep: Callable[[float], object],
        jitter: Callable[[], float],
        clock: Callable[[], datetime],
        login: tuple[str, str] | str | None = None,
        timeout: float = 30.0,
        retries: int = 5,
        longest_wait: float = 60.0,
        proxy: str | None = None,
    ) -> None:
        """Speak to the system at a URL, which nothing is sent to yet.

        Args:
            url: where all paths begin; "https://", or "http://" on this machine.
            sleep: waits for so many seconds, as `time.sleep` does.
            jitter: gives a number from 0 to 1 by chance, as `random.random` does, so that many programs do not come back at once.
            clock: gives the present instant, for a Retry-After that names one.
            login: a name and a password, or a bearer token.
            timeout: the most seconds to wait for a connection and for each part of an answer.
            retries: how often a request is sent again at most.
            longest_wait: the most seconds to wait before that; a system that asks for more is given up for now.
            proxy: the URL of a proxy.

        Raises:
            InvalidInput: for a URL of another kind, or with a login in it.
        """
        parts = urlsplit(url)
        self.host = parts.hostname or ""
        if not self.host or parts.scheme not in ("http", "https") or parts.username is not None:
            raise InvalidInput(
                "the URL is none to send requests to; give one such as 'https://api.example.com', without a login"
            )
        if parts.scheme == "http" and self.host not in _LOCAL:
            raise InvalidInput(
                f"'http://' would show the login to everybody on the way to {self.host}; give 'https://'"
            )
        if isinstance(login, str) and not (login.isascii() and login.isprintable()):
            raise InvalidInput("the login has letters that no token has; copy it again")
        headers = {"Authorization": f"Bearer {login}"} if isinstance(login, str) else {}
        self._client = httpx.Client(
            base_url=url,
            auth=login if isinstance(login, tuple) else None,
            headers=headers,
            timeout=timeout,
            proxy=proxy,
            verify=_certificates(),
            trust_env=False,
        )
        self._sleep, self._jitter, self._clock = sleep, jitter, clock
        self._retries, self._longest_wait = retries, longest_wait

    def __repr__(self) -> str:
        """Say which system it is."""
        return f"<Http {self.host}>"

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def __enter__(self) -> Self:
        """Return the object itself, for `with`."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the connections back."""
        self.close()

    def request(
        self, method: str, path: str, *, params: Mapping[str, Any] | None = None, json: Any = None
    ) -> dict[str, Any]:
        """Send a request that may be sent twice, and return the JSON object of the answer; an empty one for no content.

        Raises:
            RemoteUnavailable: where the system cannot be reached, is busy for too long, refuses the login, or answers no JSON.
            NotFound: for what is not there (404 and 410).
            Conflict: for what was changed meanwhile (409 and 412).
            Refused: for a request that it does not accept, and one on which it failed every time (500).
        """
        for repetition in range(self._retries + 1):
            try:
                response = self._client.request(method, path, params=params, json=json)
            except httpx.RequestError as error:
                # Without the error itself, which may have the URL.
                trouble, asked = f"{self.host} cannot be reached ({type(error).__name__})", None
            else:
                if response.status_code not in _BUSY:
                    return self._answer(response)
                trouble, asked = f"{self.host} is busy (HTTP {response.status_code})", self._asked(response)
            if repetition < self._retries:
                self._wait(repetition, trouble, asked)
        if "HTTP 500" in trouble:
            raise Refused(
                f"{self.host} failed on it {self._retries + 1} times (HTTP 500); it is tried again in the next run", 500
            )
        raise RemoteUnavailable(f"{trouble} after {self._retries + 1} attempts; try again later") from None

    def _wait(self, repetition: int, trouble: str, asked: float | None) -> None:
        if asked is not None and asked > self._longest_wait:
            raise RemoteUnavailable(
                f"{trouble} and asks to wait {asked:.0f} seconds, longer than longest_wait={self._longest_wait:g}; try again then"
            )
        # At least half of the time, so that a system in trouble has peace, and a random rest.
        backoff = min(self._longest_wait, _FIRST_WAIT * 2.0**repetition) * (0.5 + self._jitter() / 2)
        self._sleep(backoff if asked is None else asked)

    def _asked(self, response: httpx.Response) -> float | None:
        """For how many seconds an answer asks to wait; None where it does not say."""
        text = response.headers.get("Retry-After", "").strip()
        if text.isascii() and text.isdigit():
            return float(text)
        try:
            return max(0.0, (parsedate_to_datetime(text) - self._clock()).total_seconds())
        except (TypeError, ValueError):  # no date, or one without a time zone
            return None

    def _answer(self, response: httpx.Response) -> dict[str, Any]:
        status = response.status_code
        if status in (401, 403):
            raise RemoteUnavailable(f"{self.host} refuses the login (HTTP {status}); check the key, and what it may do")
        if status in (404, 410):
            raise NotFound(f"{self.host} does not have it (HTTP {status})")
        if status in (409, 412):
            raise Conflict(f"it changed on {self.host} meanwhile (HTTP {status})")
        if response.is_redirect:
            raise RemoteUnavailable(f"{self.host} sends elsewhere (HTTP {status}); give the URL that it sends to")
        if not response.is_success:
            title = str(_object(response).get("title", ""))
            raise Refused(f"{self.host} does not accept it (HTTP {status})", status, title)
        found = _object(response)
        if response.content and not found and response.content.strip() != b"{}":
            raise RemoteUnavailable(f"{self.host} answers with no JSON object; is the URL the one of its interface?")
        return found


@cache
def _certificates() -> SSLContext:
    """Whom to trust, read once, because reading takes longer than many a request."""
    return httpx.create_ssl_context(trust_env=False)


def _object(response: httpx.Response) -> dict[str, Any]:
    """The JSON object of an answer; an empty one where there is none."""
    try:
        found = response.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
