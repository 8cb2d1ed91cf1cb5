"""The mapping file: what the columns of other systems' files mean. It is TOML, usually `crmkit.toml` beside the files.

    source = "maven"                  # the system; its own key of a record is kept as an external id under this name
    time_zone = "UTC"                 # of dates and times that name no zone; this is the default
    currency = "USD"                  # of amounts; "cells" where they name their own, as € 10 and 10 EUR do
    dates = "%m/%d/%Y"                # or "iso", "day first", "month first"; "auto", the default, finds out from each whole column
    numbers = "auto"                  # the default, which finds out; or "1234.5", "1,234.5" and "1.234,5"
    empty = ["?"]                     # texts that mean an empty cell, beside "-", "N/A", "null", "None", "Select" and the like
    exported_on = 2017-12-31          # the day on which the data were exported
    check_points = true               # mark what can be no e-mail address or telephone number as malformed; needs the extra "contact"
    country = "PL"                    # where telephone numbers without a country code are dialled, unless the row says so

    [[pipelines]]
    id = "sales"
    learns = true                     # stages that only files name are added: won or lost if they say so, otherwise open
    stages = [{ label = "Engaging", category = "open", probability = 0.5 }, { label = "Won", category = "won" }]

    [[files]]
    path = "sales_pipeline.csv"       # inside the folder
    record = "Deal"                   # a record class
    key = "opportunity_id"            # the column that identifies a row, or a list of columns that do so together
    custom = ["campaign"]             # columns that are kept as they are, in the field `custom`; ["*"] are all that nothing else uses
    only = { type = ["New", "Old"] }  # rows that have one of these in a column; others are passed over
    optional = true                   # a row without its key or a required field, or with a key that is known, makes no record
    key_prefix = "deal "              # before each key, where two files of one class number their rows alike
    delimiter = ","                   # of text tables; it and the encoding are found out where they are not stated
    encoding = "utf-8"
    entries = { offered_on = "Engaging" }  # columns that hold when a stage (or status) was entered

    [files.fields]
    stage = "deal_stage"                                                    # a column
    name = ["account", "product"]                                           # several, joined by a space
    owner_id = "sales_agent"                                                # a column with the keys of employees
    pipeline_id = { value = "sales" }                                       # the same for every row
    product_ids = { column = "product", replace = { GTXPro = "GTX Pro" } }  # whole cells mean something else
    closed_at = { column = "close_date", format = "iso" }                   # instead of `dates`
    amount = { column = "close_value", currency_column = "currency" }       # or currency = "PLN"; numbers = "1.234,5"
    probability = { column = "chance", percent = true }                     # 50 means 0.5, as 50% always does
    tags = { column = "labels", split = ";" }
    customer_id = { column = "account", prefix = "account " }               # keys that have this `key_prefix`
    source = { columns = ["channel"], otherwise = "referrer", others = "other", replace = { www = "web" } }

    [[files]]
    path = "people.xlsx"
    record = "Customer"
    key = "id"
    sheet = "Contacts"                # of a workbook; without it the first one
    match = ["email"]                 # a row that is not known by its key is a stored customer with the same address; also "phone"

    [files.fields]
    kind = { value = "person" }
    name = { columns = ["first", "last"], join = " ", otherwise = ["mail", "phones"] }
    birth_on = { column = "born", lenient = true }  # what does not fit is kept in `custom`, and the row is not rejected
    contact_points = [
        { kind = "email", column = "mail", primary = true },
        { kind = "phone", column = "phones", label = "work", split = ";" },
        { kind = "address", lines = ["street"], city = "town", postcode = "zip", region = "state", country = "country" },
    ]

`replace` says what whole cells mean, and `others` what every other text means; where that leaves nothing, the column `otherwise`
is taken, or the first of several that is filled. Formats have the directives of `datetime.strptime` that mean the same in every
language. `folder_mapping` takes the same words in Python.
"""

from crmkit.io.mapping.files import FolderMapping, folder_mapping, read_mapping

__all__ = ["FolderMapping", "folder_mapping", "read_mapping"]
