"""A right e-mail address, number or country is never refused, has one normal form, and is never shown."""

import sys
from collections import Counter
from collections.abc import Callable
from gettext import translation
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmkit.errors import InvalidInput, MissingExtra
from crmkit.model.normalise import normalise_country, normalise_email, normalise_phone


def needs(library: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(library) is None, reason=f"{library} is missing: pip install 'crmkit[contact]'")


@needs("email_validator")
@pytest.mark.parametrize(
    ("text", "normal"),
    [
        (" Ann.Kowalska@Example.COM\n", "Ann.Kowalska@example.com"),
        ("zażółć@żółw.pl", "zażółć@żółw.pl"),
        ("ann@xn--w-uga1v8h.pl", "ann@żółw.pl"),
        ("สมชาย@example.com", "สมชาย@example.com"),
        ("zoe\u0308@example.com", "zoë@example.com"),
        ("o'neil+gym@example.co.th", "o'neil+gym@example.co.th"),
        ('"ann kowalska"@example.com', '"ann kowalska"@example.com'),
        ("ann@[192.0.2.1]", "ann@[192.0.2.1]"),
    ],
)
def test_an_address_has_one_form(text: str, normal: str) -> None:
    assert normalise_email(text) == normal


@needs("email_validator")
@given(address=st.emails())
def test_every_address_of_the_standard_is_accepted_and_normal_forms_stay(address: str) -> None:
    normal = normalise_email(address)

    assert normalise_email(normal) == normal
    assert "xn--" in address.casefold() or normal.casefold() == address.casefold()  # an encoded name is decoded


@needs("phonenumbers")
@pytest.mark.parametrize(
    ("text", "country", "normal"),
    [
        ("+48 22 123 45 67", None, "+48221234567"),
        ("22 123 45 67", "PL", "+48221234567"),
        ("(22) 123-45-67", "pl", "+48221234567"),
        ("0039 06 698 12345", "PL", "+390669812345"),
        ("02-123-4567", "TH", "+6621234567"),
        ("๐๒-๑๒๓-๔๕๖๗", "TH", "+6621234567"),
        ("1-800-FLOWERS", "US", "+18003569377"),
        ("22 123 45 67 ext. 12", "PL", "+48221234567;ext=12"),
        ("22 123 45 67 wew. 12", "PL", "+48221234567;ext=12"),
        ("22 123 45 67, wewn 12", "PL", "+48221234567;ext=12"),
        ("02-123-4567 ต่อ 89", "TH", "+6621234567;ext=89"),
        ("02-123-4567 #89", "TH", "+6621234567;ext=89"),
        ("tel:+48-22-123-45-67;ext=12", None, "+48221234567;ext=12"),
    ],
)
def test_a_number_has_one_form(text: str, country: str | None, normal: str) -> None:
    assert normalise_phone(text, country) == normal
    assert normalise_phone(normal) == normal


@needs("phonenumbers")
def test_a_number_of_every_country_is_accepted_as_people_write_it_there_and_abroad() -> None:
    library: Any = import_module("phonenumbers")
    examples = {country: library.example_number(country) for country in library.SUPPORTED_REGIONS}
    formats = library.PhoneNumberFormat

    for country, number in examples.items():
        normal = library.format_number(number, formats.E164)
        for written in (formats.NATIONAL, formats.INTERNATIONAL, formats.RFC3966):
            assert normalise_phone(library.format_number(number, written), country) == normal


@needs("pycountry")
@pytest.mark.parametrize(
    ("text", "language", "code"),
    [
        ("Poland", None, "PL"),
        (" pl ", None, "PL"),
        ("POL", None, "PL"),
        ("616", None, "PL"),
        ("UK", None, "GB"),
        ("U.S.A.", None, "US"),
        ("The Netherlands", None, "NL"),
        ("Cote d'Ivoire", None, "CI"),
        ("TÜRKİYE", None, "TR"),
        ("South Korea", None, "KR"),
        ("Kosovo", None, "XK"),
        ("Polska", "pl", "PL"),
        ("Stany Zjednoczone", "pl", "US"),
        ("Thailand", "pl", "TH"),
        ("ไทย", "th", "TH"),
        ("Brasil", "pt-BR", "BR"),
        ("Poland", "no such language", "PL"),
        ("Mexico", "gn", "MX"),
    ],
)
def test_a_country_has_one_code(text: str, language: str | None, code: str) -> None:
    assert normalise_country(text, language) == code


@needs("pycountry")
def test_every_code_and_name_of_the_standard_is_known_in_every_language_asked_for() -> None:
    for country in import_module("pycountry").countries:
        for language in (None, "pl", "th"):
            known = {normalise_country(name, language) for name in (country.alpha_2, country.alpha_3, country.name)}
            assert known == {country.alpha_2}


@needs("pycountry")
def test_a_translation_that_two_countries_share_is_taken_for_neither() -> None:
    library: Any = import_module("pycountry")
    translated = translation("iso3166-1", library.LOCALES_DIR, languages=["gu"]).gettext
    names = Counter(translated(country.name) for country in library.countries)
    shared = [name for name, count in names.items() if count > 1]

    for name in shared:
        with pytest.raises(InvalidInput, match="is no country"):
            normalise_country(name, "gu")


CASES: list[tuple[Callable[[str], str], str, str]] = [
    (normalise_email, "email_validator", "ann.kowalska@nowhere"),
    (normalise_email, "email_validator", "ann kowalska"),
    (normalise_phone, "phonenumbers", "501 234 567"),
    (normalise_phone, "phonenumbers", "+48 99"),
    (normalise_phone, "phonenumbers", "kowalska"),
    (normalise_country, "pycountry", "Kowalskaland"),
]


@pytest.mark.parametrize(("normalise", "library", "text"), CASES)
def test_what_cannot_be_right_is_refused_without_being_shown(
    normalise: Callable[[str], str], library: str, text: str
) -> None:
    """Behaviour 40."""
    pytest.importorskip(library, reason=f"{library} is missing: pip install 'crmkit[contact]'")

    with pytest.raises(InvalidInput, match=f"^a personal value of {len(text)} characters is no .* give ") as caught:
        normalise(text)

    assert text not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(("normalise", "library", "text"), CASES)
def test_without_the_library_the_command_that_installs_it_is_named(
    normalise: Callable[[str], str], library: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    import_module("crmkit.model.normalise")._country_codes.cache_clear()

    with pytest.raises(MissingExtra, match=r"is not installed; .* pip install 'crmkit\[contact\]'"):
        normalise(text)
