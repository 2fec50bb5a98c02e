"""Audit real articles and two sets of sentences: every known item found with its verdict, precision and recall.

Usage: python bench/audit_texts.py --texts DIR --claims FILE.csv [--write docs/benchmarks/audit_texts.md]

DIR holds the articles; FILE.csv names the items in them (id, file, claim, verdict in words). bench/audit_items.csv says
which quote and which verdict of ours each item must get; the verdict in words of FILE.csv stands beside it.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from twentywatts.claims.audit import audit
from twentywatts.claims.reading import read_text_file
from twentywatts.claims.terms import Audit, AuditVerdict, Finding

HERE = Path(__file__).parent
SETS = {"development": "guided the rules", "heldout": "written and committed before any rule, never looked at since"}
WORDS = 100_000
FACTOR_SLACK = 1.35

HEAD = """# Audit: five noisy articles and two sets of sentences

Made by `python bench/audit_texts.py --texts DIR --claims FILE` on two cores of an x86-64 server in the cloud.

## Sentences

| set | sentences | claims | verdicts given | right | precision | recall |
|---|---|---|---|---|---|---|"""
NOTE = """
A sentence is right when its gravest verdict is the expected one and, where a factor is expected, the factor agrees
within 35 %. Sentences without a claim count against precision when anything is said of them. Both sets were written by
the authors of the rules, true claims and mutations of them side by side: articles of others word things in more ways,
and recall on them is lower than these numbers.

## Items of the five articles
"""
ITEMS = """
`bench/audit_items.csv` says which quote and verdict each item needs; the verdict in words is the one of the list of
items, made by hand before. Where that list knows no class of ours (an idea, an opinion, checkable by a model), the
nearest one was chosen. The five articles guided the rules and the statements: this is in sample."""


def rows_of(path: Path) -> list[dict[str, str]]:
    """Return the rows of a CSV file."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def found(audited: Audit, item: dict[str, str]) -> Finding | None:
    """Return the finding on an item: its rule, its verdict, its quote."""
    for finding in audited.findings:
        if finding.rule == item["rule"] and item["quote"] in finding.quote and finding.verdict == item["verdict"]:
            return finding
    return None


def item_lines(texts: Path, claims: Path) -> tuple[list[str], int, int]:
    """Return the table of items, how many were found, and how many there are."""
    expected = {item["id"]: item for item in rows_of(HERE / "audit_items.csv")}
    audits: dict[str, Audit] = {}
    lines = ["| item | claim | verdict in words | ours | factor | rule |", "|---|---|---|---|---|---|"]
    hits = total = 0
    for claim in rows_of(claims):
        path = texts / claim["file"]
        if not path.is_file():
            continue
        if claim["file"] not in audits:
            audits[claim["file"]] = audit(read_text_file(path), name=claim["file"])
        total += 1
        item = expected.get(claim["id"])
        finding = found(audits[claim["file"]], item) if item else None
        hits += finding is not None
        cells = [claim["id"], claim["claim (paraphrase)"], claim["verdict"]]
        if finding is None:
            cells += ["**not found**", "", ""]
        else:
            cells += [str(finding.verdict), f"{finding.factor:.3g}" if finding.factor else "", finding.rule]
        lines.append("| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |")
    return lines, hits, total


def worst(audited: Audit) -> AuditVerdict | None:
    """Return the gravest verdict of a text."""
    return min((sentence.verdict for sentence in audited.sentences), key=lambda verdict: verdict.rank, default=None)


def right(row: dict[str, str], audited: Audit) -> bool:
    """Return whether a sentence got its verdict, and the factor where one is expected."""
    if str(worst(audited) or "none") != row["verdict"]:
        return False
    if not row["factor"]:
        return True
    factors = [finding.factor for finding in audited.findings if finding.factor and finding.verdict is AuditVerdict.OFF]
    sizes = [max(factor, 1 / factor) for factor in factors]
    return any(1 / FACTOR_SLACK < size / float(row["factor"]) < FACTOR_SLACK for size in sizes)


def score(name: str) -> dict[str, float]:
    """Return sentences, claims, verdicts given, right ones, precision and recall of a set."""
    counts: Counter[str] = Counter()
    for row in rows_of(HERE / "data" / f"audit_{name}.csv"):
        audited = audit(row["text"])
        good = right(row, audited)
        counts["sentences"] += 1
        counts["claims"] += row["verdict"] != "none"
        counts["given"] += worst(audited) is not None
        counts["right"] += good and row["verdict"] != "none"
    shares = {"precision": counts["right"] / counts["given"], "recall": counts["right"] / counts["claims"]}
    return {**counts, **shares}


def speed(texts: Path) -> Iterator[str]:
    """Yield the time that an article of 100,000 words takes: the English and French texts over and over."""
    words = " ".join(read_text_file(path) for path in sorted(texts.glob("*.txt")))
    latin = "\n".join(line for line in words.splitlines() if not any("\u4e00" <= letter <= "\u9fff" for letter in line))
    repeats = WORDS // max(1, len(latin.split())) + 1
    long = "\n".join([latin] * repeats)
    begin = time.process_time()
    result = audit(long)
    spent = time.process_time() - begin
    yield f"{len(long.split()):,} words, {result.sentence_count:,} sentences: {spent:.1f} s of one core."


def report(texts: Path, claims: Path) -> str:
    """Return the whole report as Markdown."""
    lines, hits, total = item_lines(texts, claims)
    parts = [HEAD]
    for name, what in SETS.items():
        found_ = score(name)
        counts = " | ".join(f"{found_[key]:.0f}" for key in ("sentences", "claims", "given", "right"))
        parts.append(f"| {name} ({what}) | {counts} | {found_['precision']:.3f} | {found_['recall']:.3f} |")
    parts += [NOTE, f"{hits} of {total} found with the verdict that is expected.", ITEMS]
    parts += ["", *lines, "", "## Time", "", *speed(texts), ""]
    return "\n".join(parts)


def main() -> None:
    """Print the report, or write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=Path, required=True)
    parser.add_argument("--claims", type=Path, required=True)
    parser.add_argument("--write", type=Path)
    args = parser.parse_args()
    text = report(args.texts, args.claims)
    if args.write:
        args.write.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
