"""How long `import crmkit` takes, as a ratio of `import attrs, cattrs`; at most 1.5 is promised.

Each import runs in a fresh interpreter, in turn, and the medians are compared after taking off a bare interpreter.
"""

import statistics
import subprocess
import sys
import time

ROUNDS = 21


def seconds(code: str) -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - begun


def main() -> None:
    codes = {
        "bare": "",
        "attrs, cattrs": "import attrs, cattrs",
        "crmkit": "import crmkit",
        "crmkit.model": "import crmkit.model",
    }
    runs: dict[str, list[float]] = {name: [] for name in codes}
    for _ in range(ROUNDS):
        for name, code in codes.items():
            runs[name].append(seconds(code))
    bare = statistics.median(runs.pop("bare"))
    cost = {name: statistics.median(times) - bare for name, times in runs.items()}
    for name, taken in cost.items():
        print(f"import {name}: {1000 * taken:.1f} ms over a bare interpreter")
    print(f"import crmkit / import attrs, cattrs: {cost['crmkit'] / cost['attrs, cattrs']:.2f} (promised: at most 1.5)")


if __name__ == "__main__":
    main()
