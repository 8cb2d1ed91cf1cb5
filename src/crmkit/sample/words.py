"""The words that the sample company is made of. All people and companies are invented."""

from collections.abc import Mapping
from typing import NamedTuple


class Names(NamedTuple):
    """Given and family names that go together, and how they are put together."""

    given: tuple[str, ...]
    family: tuple[str, ...]
    pattern: str = "{given} {family}"


NAMES: Mapping[Names, int] = {
    Names(
        ("Agnieszka", "Bożena", "Joanna", "Łucja", "Małgorzata", "Żaneta", "Zofia"),
        ("Brzozowska", "Gołębiewska", "Jabłońska", "Krawczyk", "Ostaszewska", "Śliwa", "Wróbel", "Zięba"),
    ): 30,
    Names(
        ("Bartłomiej", "Grzegorz", "Kazimierz", "Łukasz", "Mieczysław", "Wojciech", "Zbigniew"),
        ("Brzozowski", "Gołębiewski", "Jabłoński", "Krawczyk", "Ostaszewski", "Śliwa", "Wróbel", "Zięba"),
    ): 30,
    Names(
        ("Богдан", "Ірина", "Наталія", "Оксана", "Тарас"),
        ("Бондар", "Гончаренко", "Коваль", "Мельник", "Ткачук"),
    ): 8,
    Names(("นภา", "วิชัย", "สมชาย", "สุดา", "อรทัย"), ("แสงทอง", "ใจดี", "ทองสุข", "บุญมา", "ศรีสุข")): 6,
    Names(
        ("Minh Châu", "Ngọc Ánh", "Thị Mai", "Văn Hùng"),
        ("Đặng", "Lê", "Nguyễn", "Phạm", "Trần"),
        "{family} {given}",
    ): 6,
    Names(("Björn", "Jürgen", "Käthe", "Renate"), ("Großkopf", "Müllerschön", "Weißhaupt", "von der Höh")): 5,
    Names(("Nurhayati", "Purnomo", "Setyowati", "Supriyadi", "Wulandari"), ("",), "{given}"): 4,
    Names(("Begoña", "Iñaki", "María José"), ("Ibáñez de la Peña", "Núñez Etxeberria", "Zubiri Güell")): 4,
    Names(("丽华", "伟", "秀英", "芳"), ("刘", "张", "李", "陈"), "{family}{given}"): 3,
    Names(("أحمد", "فاطمة", "ليلى", "يوسف"), ("الحداد", "الخياط", "النجار")): 2,
    Names(("Niamh", "Oisín", "Siobhán"), ("Mac Cárthaigh", "O'Sullivan", "Ó Briain")): 2,
    Names(("अनिता", "राजेश", "सुनीता"), ("यादव", "शर्मा")): 2,
}
"""Names and how common they are."""

COMPANY_BEGINNINGS = ("Bor", "Dal", "Fen", "Gal", "Kel", "Lum", "Mir", "Nor", "Pel", "Ros", "Tav", "Vel", "Zor")
COMPANY_ENDINGS = ("amia", "anda", "aska", "elia", "endo", "exa", "ila", "ivo", "ola", "onia", "oria", "umo")
INDUSTRIES = {
    "hospitality": ("Café", "Bistro", "Hotel", "Patisserie"),
    "offices": ("Accountants", "Architects", "Coworking", "Software"),
    "health": ("Clinic", "Dentists", "Pharmacy"),
    "retail": ("Bookshop", "Furniture", "Garden Centre"),
}
PLACES = {
    ("PL", "Warszawa"): 40,
    ("PL", "Łódź"): 14,
    ("PL", "Kraków"): 12,
    ("PL", "Wrocław"): 10,
    ("PL", "Gdańsk"): 8,
    ("DE", "Görlitz"): 6,
    ("CZ", "Ostrava"): 5,
    ("UA", "Львів"): 5,
}
ROLES = ("owner", "office manager", "purchasing", "head of kitchen", "accounting")

LOST_REASONS = {"price": 34, "no budget": 20, "competitor": 18, "no answer": 16, "bad timing": 12}

PRAISE = ("The coffee is lovely, and so is the service.", "Quick help, thank you!", "อร่อยมาก บริการดี", "Polecam!")
REMARKS = ("Good coffee, but the delivery could be quicker.", "Could be cheaper.", "W porządku.")
COMPLAINTS = ("I had to ask twice.", "The machine broke again.", "Nobody called back.", "Za długo czekaliśmy.")
