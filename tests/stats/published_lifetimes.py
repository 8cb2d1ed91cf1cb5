"""Lifetimes that textbooks and statistical packages print results of, as counts of durations."""

from crmkit.stats.histogram import Histogram
from crmkit.stats.survival import Lifetimes


def lived(ended: str, still: str = "") -> Lifetimes:
    """Return the lifetimes of durations in words, such as "6:3 7" for three of 6 and one of 7."""
    return Lifetimes({"ended": _histogram(ended)}, _histogram(still))


def _histogram(words: str) -> Histogram:
    pairs = (word.partition(":") for word in words.split())
    return Histogram({int(length): int(n or 1) for length, _, n in pairs})


# Freireich et al. (1963): weeks in remission of leukemia patients, with 6-mercaptopurine and without.
SIX_MP = lived(
    "6:3 7 10 13 16 22 23",
    "6 9 10 11 17 19 20 25 32:2 34 35",
)
PLACEBO = lived(
    "1:2 2:2 3 4:2 5:2 8:4 11:2 12:2 15 17 22 23",
)

# Walton flies: days that they lived, by group (in lifelines).
MIR_137 = lived(
    "6 9:3 13:3 15:2 19:3 22:4 26:5 29:5 33:2 36:2 43 47 62:2",
)
WALTONS_CONTROL = lived(
    "7 17 32 33 38:2 41:7 45:9 48:8 51:3 53:7 54:2 56:18 58:4 60:15 61:9 63:9 66:3 68:9 69:12 75",
    "7 45 60 61:2 68 69",
)

# Loprinzi et al. (1994): days that patients with lung cancer lived (in R and lifelines).
LUNG = lived(
    "5 11:3 12 13:2 15 26 30 31 53:2 54 59 60:2 61 62 65:2 71 79 81:2 88:2 92 93 95:2 105 107:2 110 116 "
    "118 122 131 132:2 135 142 144 145:2 147 153 156:2 163:3 166:2 167 170 175 176 177 179:2 180 181:2 "
    "182 183 186 189 194 197 199 201:2 202 207 208 210 212 218 222 223 226 229 230 239:2 245 246 267 268 "
    "269 270 283 284 285:2 286 288 291 293 301 303 305 306 310:2 320 329 337 340 345 348 350 351 353:2 "
    "361 363:2 364 371:2 387 390 394 426 428 429 433 442 444 450 455 457 460 473 477 519 520 524:2 533 "
    "550 558 567 574 583 613 624 641 643 654 655 687 689 705 707 728 731 735 765 791 814 883",
    "92 105 173 174 175 177 185 188 191 192 196 197 202 203 211 221 222 224 225:2 235 237 240 243 252 259 "
    "266 269 272 276 279 284 292:2 296 300 301 303 315 332 356 364 376 382 384 404 413 444 458 511:2 529 "
    "543 551 559 588 740 806 821 840 965 1010 1022",
)

# Cheibub et al. (2010): years that governments lasted (in lifelines).
DD = lived(
    "1:503 2:208 3:152 4:146 5:128 6:76 7:33 8:46 9:21 10:29 11:23 12:12 13:12 14:15 15:7 16:4 17:5 18:7 "
    "19:5 20:2 21:4 22:5 23:3 24:2 25 26:2 27:2 28 29:2 30:2 31 32:3 33:2 35:3 47",
    "1:52 2:40 3:43 4:32 5:26 6:17 7:13 8:16 9:6 10:14 11:6 12:4 13:4 14:7 15:8 16:2 17:6 18:4 19:5 20:3 "
    "21 22:2 23:2 24 25:3 26:2 27:2 28:2 29:2 30:3 33 34 36 38:2 39:2 40 42 44 46 47",
)
