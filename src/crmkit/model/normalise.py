"""The normal forms of e-mail addresses, telephone numbers and countries.

Constructors never call these functions, so a record is the same whatever is installed; an import or a host calls them.
They need the extra `contact`. No message shows the value, because it is personal.
"""

import re
import unicodedata
from functools import cache
from gettext import translation
from importlib import import_module
from typing import Any

from crmkit.errors import InvalidInput, MissingExtra

# Words before an extension that the library does not know: Polish "wewnętrzny", Thai "connect to".
_EXTENSION = re.compile(r"(?<=\d)[\s,;]*(?:wewn?\.?|ต่อ)\s*(?=\d)", re.IGNORECASE)

# Names that people write and that ISO 3166 does not have.
_COUNTRIES = {
    "britain": "GB",
    "brunei": "BN",
    "burma": "MM",
    "cape verde": "CV",
    "east timor": "TL",
    "england": "GB",
    "great britain": "GB",
    "holland": "NL",
    "ivory coast": "CI",
    "kosovo": "XK",
    "macau": "MO",
    "macedonia": "MK",
    "northern ireland": "GB",
    "palestine": "PS",
    "republic of korea": "KR",
    "russia": "RU",
    "scotland": "GB",
    "swaziland": "SZ",
    "turkey": "TR",
    "uae": "AE",
    "uk": "GB",
    "vatican": "VA",
    "vatican city": "VA",
    "wales": "GB",
    "xk": "XK",
}


def normalise_email(text: str) -> str:
    """Return an e-mail address in its normal form: NFC, the domain without capitals and in its own script.

    The part before the @ keeps its capitals, because its host may tell them apart. Whether the address exists is not
    looked up. Raises `InvalidInput` for what cannot be an address, and `MissingExtra` without email-validator.

    >>> normalise_email(" Ann.Kowalska@Example.COM ")
    'Ann.Kowalska@example.com'
    """
    library = _library("email_validator")
    try:
        found = library.validate_email(
            text.strip(), check_deliverability=False, allow_quoted_local=True, allow_domain_literal=True
        )
    except library.EmailNotValidError:
        raise InvalidInput(_refusal(text, "e-mail address", "one such as ann@example.com")) from None
    normal: str = found.normalized
    return normal


def normalise_phone(text: str, country: str | None = None) -> str:
    """Return a telephone number in its normal form: E.164, with an extension after ";ext=".

    `country` is the two-letter code of where a number without a country code is dialled. A number that is long enough
    to be one is accepted, because lists of numbers in use are never up to date. Raises `InvalidInput` for what cannot be
    a number, also for one without a country code or country, and `MissingExtra` without phonenumbers.

    >>> normalise_phone("22 123 45 67 wew. 12", "PL")
    '+48221234567;ext=12'
    """
    library = _library("phonenumbers")
    try:
        region = country and _COUNTRIES.get(country.casefold(), country).upper()
        number = library.parse(_EXTENSION.sub(" ext. ", text), region)
    except library.NumberParseException:
        number = None
    if number is None or not library.is_possible_number(number):
        accepted = "one with its country code, such as +48 22 123 45 67, or its country as well, such as 'PL'"
        raise InvalidInput(_refusal(text, "telephone number", accepted))
    normal: str = library.format_number(number, library.PhoneNumberFormat.E164)
    return f"{normal};ext={number.extension}" if number.extension else normal


def normalise_country(text: str, language: str | None = None) -> str:
    """Return the two-letter code of a country (ISO 3166) from its code or its name.

    Names are known in English, and in `language`, a tag such as "pl", where one is given. Kosovo is "XK", which is not
    of ISO but in use. Raises `InvalidInput` for a country that is not known, and `MissingExtra` without pycountry.

    >>> normalise_country("uk"), normalise_country("Tajlandia", "pl")
    ('GB', 'TH')
    """
    code = _country_codes(language).get(_simplified(text))
    if code is None:
        raise InvalidInput(_refusal(text, "country", "its name in English or its code, such as 'PL'"))
    return code


@cache
def _country_codes(language: str | None) -> dict[str, str]:
    """The code of a country by each of its codes and names. English names and codes go before translations."""
    library = _library("pycountry")
    folder, languages = library.LOCALES_DIR, [language.replace("-", "_")] if language else []
    translated = translation("iso3166-1", folder, languages=languages, fallback=True).gettext
    names = [(name, country.alpha_2) for country in library.countries for _, name in country]
    english = {_simplified(name): code for name, code in names}
    meanings: dict[str, set[str]] = {}
    for name, code in names:
        meanings.setdefault(_simplified(translated(name)), set()).add(code)
    # Some translations are wrong, so one that fits two countries is taken for neither.
    return {name: min(codes) for name, codes in meanings.items() if len(codes) == 1} | _COUNTRIES | english


def _simplified(name: str) -> str:
    """A name without what people leave out: capitals, accents of Latin letters, full stops and the article."""
    letters = unicodedata.normalize("NFKD", name.strip().casefold())
    return re.sub("[.\u0300-\u036f]", "", letters).removeprefix("the ")


def _refusal(text: str, what: str, accepted: str) -> str:
    return f"a personal value of {len(text)} characters is no {what} that can be used; give {accepted}"


def _library(name: str) -> Any:
    try:
        return import_module(name)
    except ImportError:
        package = name.replace("_", "-")
        raise MissingExtra(f"{package} is not installed; install it with: pip install 'crmkit[contact]'") from None
