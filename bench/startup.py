"""What starting costs: CPU time of bare Python, of `import twentywatts`, and of `twentywatts --help`.

Method: each command runs in a fresh interpreter that finds its byte code compiled, the commands interleaved; user plus
system time of the child from the operating system; medians of 21 rounds after one that compiles and
warms the file cache.
Usage: python bench/startup.py
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile

ROUNDS = 21
COMMANDS = {
    "bare python": ["-c", "pass"],
    "import twentywatts": ["-c", "import twentywatts"],
    "twentywatts --help": ["-m", "twentywatts", "--help"],
    "twentywatts measure -- true": ["-m", "twentywatts", "measure", "--", "true"],
}


def cpu_ms(arguments: list[str], environment: dict[str, str]) -> float:
    """Return user plus system time of one run [ms]."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1e3 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main() -> None:
    """Print the medians as a Markdown table."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(ROUNDS + 1):
            for name, arguments in COMMANDS.items():
                spent = cpu_ms(arguments, {**kept, "PYTHONPYCACHEPREFIX": folder})
                if turn:
                    times[name].append(spent)
    bare = statistics.median(times["bare python"])
    print("| command | CPU, ms (median) | over bare Python |\n|---|---|---|")
    for name, spent in times.items():
        middle = statistics.median(spent)
        print(f"| `{name}` | {middle:.1f} | {middle - bare:+.1f} |")


if __name__ == "__main__":
    main()
