"""What `crmkit.io.sync` offers, and what it says without the package that some of it needs."""

import sys

import pytest

from crmkit.errors import MissingExtra
from crmkit.io import sync


def test_every_public_name_is_there() -> None:
    assert set(sync.__all__) <= set(dir(sync))
    assert all(getattr(sync, name).__doc__ for name in sync.__all__)


def test_a_name_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Mailchump'; it has Http, Mailchimp"):
        sync.Mailchump  # noqa: B018


@pytest.mark.parametrize("name", ["Http", "Mailchimp"])
def test_without_httpx_the_rest_works_and_an_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, "httpx", None)
    for module in ("http", "mailchimp", "mailchimp_reports"):
        monkeypatch.delitem(sys.modules, f"crmkit.io.sync.{module}", raising=False)
    assert callable(sync.synchronise)
    with pytest.raises(MissingExtra, match="needs httpx; install it with: pip install 'crmkit.sync.'"):
        getattr(sync, name)
