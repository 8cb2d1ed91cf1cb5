"""Matching: how well duplicates are found, and how fast, against Splink; and one customer against a million.

    python bench/matching.py DATA [--records 10000] [--store 1000000]

DATA is a folder with febrl/dataset1.csv and splink_fake/fake_1000_from_splink_demos.csv. Promised: FEBRL 1 at an F1 of 0.98 or more; the
sample of Splink at no lower F1 than Splink with the settings of its tutorial, at its best threshold; 10,000 records in no more time than
Splink; one customer among a million in at most 20 ms.

Nothing is told of who is whom: m and u are learned, and pairs count from a probability of one half. Splink runs in an environment and
process of its own and returns its pairs, which are judged here. The 10,000 records are made up: a third of them again, with typing errors and gaps.
"""

import argparse
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

from peers import python_with

FEBRL = {
    "given_name": "given_name",
    "surname": "family_name",
    "street_number": "identifier",
    "address_1": "text",
    "address_2": "text",
    "suburb": "city",
    "postcode": "postcode",
    "state": "choice",
    "date_of_birth": "date",
}
SAMPLE = {"first_name": "given_name", "surname": "family_name", "dob": "date", "city": "city", "email": "email"}
THRESHOLDS = (0.2, 0.5, 0.8, 0.9, 0.95)
SYLLABLES = [
    "ba",
    "ko",
    "wa",
    "ski",
    "no",
    "kow",
    "ma",
    "ri",
    "an",
    "to",
    "le",
    "na",
    "pe",
    "tr",
    "ov",
    "so",
    "fi",
    "ja",
    "ger",
    "ste",
    "lu",
    "ca",
    "mi",
    "chal",
    "do",
    "ro",
    "vi",
]
Pairs = Iterable[tuple[str, str]]


def said(name: str, pairs: Pairs, entities: Mapping[str, str]) -> float:
    by_entity: dict[str, list[str]] = {}
    for record_id, entity in entities.items():
        by_entity.setdefault(entity, []).append(record_id)
    true = {pair for ids in by_entity.values() for pair in combinations(sorted(ids), 2)}
    found = {(min(pair), max(pair)) for pair in pairs}
    hits = len(found & true)
    f1 = 2 * hits / (len(found) + len(true))
    print(f"{name:45} precision {hits / max(len(found), 1):.4f}  recall {hits / len(true):.4f}  F1 {f1:.4f}")
    return f1


def clustered(pairs: Pairs) -> list[tuple[str, str]]:
    """All pairs of what hangs together, as Splink clusters."""
    group: dict[str, list[str]] = {}
    for one, other in pairs:
        left, right = (group.get(each, [each]) for each in (one, other))
        if left is not right:
            joined = left + right
            group |= dict.fromkeys(joined, joined)
    return [
        pair for ids in {id(each): each for each in group.values()}.values() for pair in combinations(sorted(ids), 2)
    ]


def timed(work: Callable[[], Any]) -> tuple[Any, float, float]:
    begun, cpu = time.perf_counter(), time.process_time()
    return work(), time.perf_counter() - begun, time.process_time() - cpu


def own(name: str, table: Any, compare: Mapping[str, str], entities: Mapping[str, str]) -> float:
    from crmkit.io.matching import find_duplicates

    made, seconds, cpu = timed(lambda: find_duplicates(table, compare=compare))
    f1 = said(f"{name}, pairs", [(each.first_id, each.second_id) for each in made.pairs], entities)
    said(f"{name}, clusters", [pair for each in made.clusters for pair in combinations(each.ids, 2)], entities)
    print(f"    {seconds:.2f} s, {cpu:.2f} s of CPU, {made.compared:,} pairs compared")
    return f1


def by_splink(name: str, settings: str, table: Any, entities: Mapping[str, str]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        table.write_parquet(f"{folder}/table.parquet")
        python = python_with("splink>=5", "pyarrow")
        run = subprocess.run(
            [str(python), __file__, "--splink", settings, f"{folder}/table.parquet"],
            check=True,
            capture_output=True,
            text=True,
        )
    told = json.loads(run.stdout.splitlines()[-1])
    best = 0.0
    for least in THRESHOLDS:
        pairs = [(one, other) for one, other, likely in told["pairs"] if likely >= least]
        best = max(best, said(f"{name}, pairs from {least}", pairs, entities))
        best = max(best, said(f"{name}, clusters from {least}", clustered(pairs), entities))
    print(f"    {told['seconds']:.2f} s, {told['cpu']:.2f} s of CPU")
    return best


def splink(settings: str, file: str) -> None:
    """Run Splink as its tutorial does, and print its pairs as JSON."""
    import pyarrow.parquet as pq
    import splink.comparison_library as cl
    from splink import Linker, SettingsCreator, block_on
    from splink.backends.duckdb import DuckDBAPI

    name, family, born, others, blocks = {
        "tutorial": ("first_name", "surname", "dob", [], [("first_name", "city"), ("surname",)]),
        "customers": (
            "given_name",
            "family_name",
            "birth_on",
            ["phone", "postcode"],
            [("given_name", "city"), ("family_name",), ("birth_on",), ("email",), ("phone",)],
        ),
    }[settings]
    table = pq.read_table(file)
    begun, cpu = time.perf_counter(), time.process_time()
    made = SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="id",
        comparisons=[
            cl.NameComparison(name),
            cl.NameComparison(family),
            cl.LevenshteinAtThresholds(born, 1),
            cl.ExactMatch("city").configure(term_frequency_adjustments=True),
            cl.EmailComparison("email"),
            *(cl.LevenshteinAtThresholds(each, 1) for each in others),
        ],
        blocking_rules_to_generate_predictions=[block_on(*each) for each in blocks],
    )
    linker = Linker(DuckDBAPI().register(table), made, log_level=None)
    certain = [
        f"l.{name} = r.{name} and levenshtein(r.{born}, l.{born}) <= 1",
        f"l.{family} = r.{family} and levenshtein(r.{born}, l.{born}) <= 1",
        f"l.{name} = r.{name} and levenshtein(r.{family}, l.{family}) <= 2",
        "l.email = r.email",
    ]
    linker.training.estimate_probability_two_random_records_match(certain, recall=0.7)
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    linker.training.estimate_parameters_using_expectation_maximisation(block_on(name, family))
    linker.training.estimate_parameters_using_expectation_maximisation(block_on(born))
    found = linker.inference.predict(threshold_match_probability=min(THRESHOLDS)).as_record_list()
    told = {"seconds": time.perf_counter() - begun, "cpu": time.process_time() - cpu}
    pairs = [[each["id_l"], each["id_r"], each["match_probability"]] for each in found]
    print(json.dumps(told | {"pairs": pairs}))


def word(chance: random.Random, least: int, most: int) -> str:
    return "".join(chance.choices(SYLLABLES, k=chance.randint(least, most)))


def mistyped(text: str, chance: random.Random) -> str:
    place = chance.randrange(len(text))
    if text[place].isdigit():
        return text[:place] + str(chance.randrange(10)) + text[place + 1 :]
    return text[:place] + chance.choice(("", text[place] * 2, chance.choice("aeiorstn"))) + text[place + 1 :]


def made_up(n: int) -> Any:
    """Records of people with common and rare names; with a chance of 0.3 each is there once more, mistyped and with gaps."""
    import polars as pl

    chance = random.Random(7)
    given, family, cities = ([word(chance, 2, most) for _ in range(k)] for k, most in ((400, 3), (4000, 4), (150, 3)))
    rows: list[dict[str, Any]] = []
    while len(rows) < n:
        name, surname, city = (
            chance.choices(words, [1 / (place + 10) for place in range(len(words))])[0]
            for words in (given, family, cities)
        )
        row: dict[str, Any] = {
            "given_name": name,
            "family_name": surname,
            "birth_on": f"{date(1940, 1, 1) + timedelta(chance.randrange(25_000)):%Y%m%d}",
            "email": f"{name}.{surname}{chance.randint(1, 99)}@example.com",
            "phone": f"+485{chance.randrange(10**8):08}",
            "postcode": f"{chance.randrange(100):02}-{chance.randrange(1000):03}",
            "city": city,
        }
        entity = f"e{len(rows)}"
        rows.append(row | {"entity": entity})
        while chance.random() < 0.3 and len(rows) < n:
            again = {key: mistyped(value, chance) if chance.random() < 0.12 else value for key, value in row.items()}
            gaps = {key: None for key in list(row)[2:] if chance.random() < 0.25}
            rows.append(again | gaps | {"entity": entity})
    chance.shuffle(rows)
    return pl.DataFrame([row | {"id": f"r{number:07}"} for number, row in enumerate(rows)])


def one_among(n: int, folder: str) -> None:
    from crmkit import CRM
    from crmkit.io.matching import find_by_phone, find_matches, index_for_matching
    from crmkit.model import ContactPoint, Customer

    chance = random.Random(3)
    given, family = ([word(chance, 3, 4) for _ in range(k)] for k in (800, 20_000))

    def customers() -> Iterable[Customer]:
        for number in range(n):
            name, surname = chance.choice(given), chance.choice(family)
            points = [
                ContactPoint("email", f"{name}.{surname}{number % 97}@example.com"),
                ContactPoint("phone", f"+485{chance.randrange(10**8):08}"),
            ]
            born = date(1940, 1, 1) + timedelta(chance.randrange(25_000))
            yield Customer(
                id=f"c{number:07}",
                kind="person",
                name=f"{name} {surname}",
                birth_on=born,
                contact_points=points,
                country="PL",
            )

    with CRM.open(f"sqlite:///{folder}/club.db") as crm:
        _, seconds, _ = timed(lambda: crm.load(customers()))
        _, indexing, _ = timed(lambda: index_for_matching(crm.store))
        print(f"{n:,} customers in SQLite: loaded in {seconds:.0f} s, indexed in {indexing:.0f} s")
        known = [crm.customers.get(f"c{number:07}") for number in range(0, n, max(n // 100, 1))]
        asked = [each.replace(id=f"new {each.id}", name=mistyped(each.name, chance)) for each in known]
        office = ContactPoint("phone", "+48225556677")
        crm.load(
            Customer(id=f"o{each:05}", kind="person", name=f"Office {each}", contact_points=[office])
            for each in range(10_000)
        )
        busy = [each.replace(contact_points=[*each.contact_points, office]) for each in asked]
        by_phone = [lambda each=each: find_by_phone(crm.store, each.contact_points[1].value) for each in asked]
        by_likeness = [lambda each=each: find_matches(each, crm.store) for each in asked]
        by_busy = [lambda each=each: find_matches(each, crm.store) for each in busy]
        named = {
            "find_by_phone": by_phone,
            "find_matches": by_likeness,
            "find_matches, with a number that 10,000 share": by_busy,
        }
        for name, calls in named.items():
            spent = [timed(call) for call in calls]
            hits = sum(
                each.id in {getattr(match, "customer", match).id for match in found}
                for each, (found, _, _) in zip(known, spent, strict=True)
            )
            wall, cpu = (
                f"median {statistics.median(times):.1f} ms, 95 % within {times[int(len(times) * 0.95)]:.1f} ms"
                for place in (1, 2)
                for times in [sorted(each[place] * 1000 for each in spent)]
            )
            print(f"    {name}: {hits} of {len(known)} found; {wall}; of CPU {cpu}")


def main(arguments: Sequence[str]) -> None:
    import polars as pl

    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("data", type=Path)
    options.add_argument("--records", type=int, default=10_000)
    options.add_argument("--store", type=int, default=1_000_000)
    given = options.parse_args(arguments)

    def read(file: str, record_id: str) -> Any:
        table = pl.read_csv(given.data / file, infer_schema=False)
        table = table.rename({name: name.strip() for name in table.columns}).with_columns(pl.all().str.strip_chars())
        return table.rename({record_id: "id"})

    febrl = read("febrl/dataset1.csv", "rec_id")
    entities = {record_id: record_id.split("-")[1] for record_id in febrl["id"]}
    own("FEBRL 1", febrl, FEBRL | {"soc_sec_id": "identifier"}, entities)
    own("FEBRL 1 without its number", febrl, FEBRL, entities)

    sample = read("splink_fake/fake_1000_from_splink_demos.csv", "unique_id")
    entities = dict(zip(sample["id"], sample["cluster"], strict=True))
    own("sample of Splink", sample, SAMPLE, entities)
    by_splink("the same by Splink", "tutorial", sample, entities)

    people = made_up(given.records)
    entities = dict(zip(people["id"], people["entity"], strict=True))
    fields = ("given_name", "family_name", "email", "phone", "postcode", "city")
    own(f"{given.records:,} made up", people, {each: each for each in fields} | {"birth_on": "date"}, entities)
    by_splink("the same by Splink", "customers", people, entities)

    with tempfile.TemporaryDirectory() as folder:
        one_among(given.store, folder)
    print(f"peak of memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--splink"]:
        splink(*sys.argv[2:])
    else:
        main(sys.argv[1:])
