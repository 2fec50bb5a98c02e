"""Audit texts that are cut, mixed, doubled and strewn with odd characters: nothing may raise, two audits agree.

Usage: python bench/fuzz_claims.py [--count 10000] [--seed 0]
"""

from __future__ import annotations

import argparse
import csv
import random
from pathlib import Path

from twentywatts.claims.audit import audit
from twentywatts.claims.reading import text_of_bytes

HERE = Path(__file__).parent
ODD = "0123456789.,，。;；:：%()（）[]«»<>&/*×^-–—~°'’\"\\ \t\n\r"
ODD += "\u00a0\u202f\u3000\ufeff\u200b\u202e\0ＡＢ１２３百千万亿兆億萬度瓦電eE+kMGTWhJ¼²³٣۳"
WORDS = (
    "1e309 9999999999999999999999999999999999999999 1/0 0 -5 0.0 NaN ∞ 一百万亿 百分之 千瓦时 MWh per hour H100 GPT-3 "
    "<script> <!doctype html> </p> &#x0; &#99999999; 2024年 每小时 billion milliards kW*h 10^999 1,2,3,4 三峡大坝"
).split()


def sentences() -> list[str]:
    """Return the sentences of both sets."""
    rows = []
    for name in ("development", "heldout"):
        with (HERE / "data" / f"audit_{name}.csv").open(encoding="utf-8", newline="") as file:
            rows += [row["text"] for row in csv.DictReader(file)]
    return rows


def mutated(random_: random.Random, known: list[str]) -> str:
    """Return a text of a few sentences, cut, doubled, mixed and strewn."""
    letters = list("".join(random_.choice(known) for _ in range(random_.randint(1, 4))))
    for _ in range(random_.randint(0, 30)):
        place = random_.randrange(len(letters) + 1)
        kind = random_.random()
        if kind < 0.4:
            letters.insert(place, random_.choice(ODD))
        elif kind < 0.6:
            letters.insert(place, f" {random_.choice(WORDS)} ")
        elif kind < 0.8 and letters:
            del letters[place : place + random_.randint(1, 6)]
        elif kind < 0.9:
            letters.insert(place, chr(random_.randrange(0x110000)))
        else:
            letters[place:place] = letters[place : place + random_.randint(1, 40)]
    return "".join(letters)


def fuzz(count: int, *, seed: int) -> int:
    """Audit so many texts; return the number of findings. Raises whatever the audit raises, with the text."""
    random_ = random.Random(seed)
    known, found = sentences(), 0
    for number in range(count):
        text = mutated(random_, known)
        try:
            if number % 10 == 0:
                text = text_of_bytes(
                    text.encode("utf-8", errors="surrogatepass")[random_.randint(0, 3) :].replace(b"\0", b""),
                    name="fuzz",
                )
            first = audit(text)
            if number % 10 == 1:
                assert first.as_document() == audit(text).as_document()
        except Exception as error:
            raise RuntimeError(f"text {number} of seed {seed}: {text!r}") from error
        found += len(first.findings)
    return found


def main() -> None:
    """Fuzz, and tell how much was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print(f"{args.count:,} texts, nothing raised, {fuzz(args.count, seed=args.seed):,} findings")


if __name__ == "__main__":
    main()
