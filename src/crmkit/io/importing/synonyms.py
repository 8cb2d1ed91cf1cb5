"""What fields are usually called in tables, without capitals, spaces and signs, the most certain words first."""

from collections.abc import Mapping, Sequence

Words = Mapping[str, Sequence[str]]

_CREATED = (
    "createdat",
    "created",
    "createdate",
    "datecreated",
    "createddate",
    "creationdate",
    "since",
    "utworzono",
    "erstelltam",
)

RECORDS_BY_WORDS: Mapping[str, Words] = {
    "Customer": {
        "name": (
            "fullname", "name", "displayname", "customername", "contactname", "companyname", "company", "organization",
            "organisation", "account", "accountname", "nazwa", "firma", "nom", "nombre", "imięinazwisko",
        ),
        "given_name": ("firstname", "givenname", "forename", "first", "imię", "imie", "vorname", "prénom", "prenom"),
        "family_name": ("lastname", "familyname", "surname", "last", "nazwisko", "nachname", "nomdefamille", "apellido"),
        "birth_on": ("birthday", "dateofbirth", "birthdate", "dob", "birth", "dataurodzenia", "geburtsdatum"),
        "country": ("country", "countryregion", "kraj", "land", "pays", "país"),
        "city": ("city", "town", "miasto", "stadt", "ort", "ville", "ciudad"),
        "language": ("language", "język", "sprache", "langue"),
        "industry": ("industry", "sector", "branża", "branche"),
        "source": ("source", "leadsource", "originalsource", "źródło", "quelle"),
        "created_at": _CREATED,
    },
    "Deal": {
        "name": ("dealname", "opportunityname", "title", "name", "deal", "opportunity"),
        "stage": ("stage", "dealstage", "stagename", "salesstage", "pipelinestage", "etap", "phase"),
        "amount": ("amount", "value", "dealvalue", "closevalue", "kwota", "wartość", "betrag", "montant"),
        "expected_close_on": ("expectedclosedate", "expectedclose"),
        "closed_at": ("closedate", "closedat", "closed", "dateclosed", "closeddate"),
        "lost_reason": ("lostreason", "closedlostreason"),
        "created_at": (*_CREATED, "engagedate"),
    },
    "Order": {
        "at": ("orderdate", "orderedat", "date", "datezamówienia", "bestelldatum"),
        "amount": ("total", "ordertotal", "grandtotal", "amount", "suma"),
    },
    "Product": {
        "name": ("productname", "product", "name", "title", "nazwa"),
        "price": ("price", "unitprice", "listprice", "salesprice", "cena", "preis", "prix"),
        "family": ("family", "series", "category", "kategoria"),
    },
}  # fmt: skip

PARTS: Words = {
    "lines": (
        "street",
        "address",
        "streetaddress",
        "address1",
        "addressline1",
        "ulica",
        "adres",
        "straße",
        "strasse",
        "rue",
    ),
    "city": ("city", "town", "miasto", "stadt", "ort", "ville", "ciudad"),
    "region": ("state", "region", "province", "stateregion", "county", "województwo"),
    "postcode": ("zip", "postcode", "postalcode", "zipcode", "kodpocztowy", "plz", "codepostal"),
    "country": ("country", "countryregion", "kraj", "land", "pays", "país"),
}

KEYS = (
    "id",
    "recordid",
    "customerid",
    "contactid",
    "key",
    "no",
    "number",
    "nr",
    "code",
    "customerno",
    "customernumber",
    "sku",
    "uuid",
)
EMAIL = ("mail",)
PHONE = ("phone", "mobile", "cell", "tel", "fax", "komórka", "handy", "numer")
WEB = ("website", "web", "url", "homepage", "domain")
POINTS = ("email", "mail", "phone", "mobile", "telephone", "emailaddress", "phonenumber")
TITLES = ("companyname", "company", "organization", "organisation", "account", "accountname", "firma")
"""What the names of organizations are called."""
