"""Slimming a small transformer that sorts passages of Python's own documentation by what they document.

Passages are 24 words of documentation strings of the standard library (read from its source files, tests left out) and
of the language reference that Python carries (pydoc_data.topics). Seven classes: interfaces on a screen, the internet,
work at the same time, numbers and dates, tools for programs, files and the system, the language itself. A string is
in one part only (train, data, test). Words are the 4000 most frequent of the training part. A bag of words with
logistic regression (scikit-learn) stands beside it: the baseline that is not a network.
Usage: python bench/slim_text.py FOLDER [--budget 120] [--stage train|slim|table]
"""

from __future__ import annotations

import ast
import re
import sysconfig
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from slim_single import Part, run

CLASSES = {
    "screen": "tkinter idlelib turtle turtledemo curses",
    "internet": "email http urllib smtplib ftplib imaplib nntplib poplib xmlrpc wsgiref socketserver ssl socket "
    "telnetlib cgi mailbox ipaddress html webbrowser",
    "at once": "asyncio threading multiprocessing concurrent subprocess queue sched selectors _threading_local",
    "numbers": "_pydecimal decimal statistics fractions random numbers datetime _strptime calendar colorsys",
    "tools": "unittest doctest inspect typing pdb bdb traceback ast pydoc dis importlib trace distutils logging timeit",
    "files": "tarfile zipfile shutil os pathlib tempfile _pyio fileinput glob posixpath ntpath genericpath zipimport",
    "language": "pydoc_data.topics",
}
WORDS, LENGTH, LEAST = 4000, 24, 8
SHARES = {"train": 0.45, "data": 0.3, "test": 0.25}
EPOCHS = 10


def passages() -> tuple[list[list[str]], np.ndarray, np.ndarray]:
    """Return passages as lists of words, their classes, and the string that each is from."""
    words: list[list[str]] = []
    labels: list[int] = []
    origins: list[int] = []
    for origin, (label, text) in enumerate(strings()):
        found = re.findall(r"[a-z]+|[0-9]+|[^\sa-z0-9]", text.lower())
        for start in range(0, len(found), LENGTH):
            if len(found[start : start + LENGTH]) >= LEAST:
                words.append(found[start : start + LENGTH])
                labels.append(label)
                origins.append(origin)
    return words, np.array(labels), np.array(origins)


def strings() -> Iterator[tuple[int, str]]:
    """Yield (class, text) of every documentation string once."""
    from pydoc_data.topics import topics

    places = {name: label for label, names in enumerate(CLASSES.values()) for name in names.split()}
    seen: set[str] = set()
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        if parts[0] in places and not {"test", "tests", "idle_test"} & set(parts):
            for text in docstrings(path):
                if text not in seen:
                    seen.add(text)
                    yield places[parts[0]], text
    for _, text in sorted(topics.items()):
        for paragraph in text.split("\n\n"):
            yield places["pydoc_data.topics"], paragraph


def docstrings(path: Path) -> Iterator[str]:
    """Yield the documentation strings of a source file; nothing is imported."""
    kinds = ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8", errors="ignore"))):
        text = ast.get_docstring(node) if isinstance(node, kinds) else None
        if text:
            yield text


def parts() -> dict[str, Part]:
    """Return the samples: word numbers (0: nothing, 1: an unknown word) and classes."""
    words, labels, origins = passages()
    generator = np.random.Generator(np.random.PCG64(1))
    ranks = generator.permutation(origins.max() + 1)[origins] / (origins.max() + 1)
    edges = np.cumsum([0.0, *SHARES.values()])
    rows = {
        name: generator.permutation(np.flatnonzero((low <= ranks) & (ranks < high)))
        for name, low, high in zip(SHARES, edges, edges[1:], strict=False)
    }
    counts = Counter(word for row in rows["train"] for word in words[row])
    numbers = {word: place + 2 for place, (word, _) in enumerate(counts.most_common(WORDS - 2))}
    coded = np.zeros((len(words), LENGTH), dtype=np.int64)
    for row, passage in enumerate(words):
        coded[row, : len(passage)] = [numbers.get(word, 1) for word in passage]
    return {name: Part(x=coded[index], y=labels[index].astype(np.int64)) for name, index in rows.items()}


def train(found: dict[str, Part], path: Path) -> None:
    import torch

    from slim_networks import Text, exported, trained

    torch.set_num_threads(1)
    torch.manual_seed(1)
    net = Text(WORDS, len(CLASSES), length=LENGTH, width=96)
    start = time.process_time()
    trained(net, found["train"].x, found["train"].y, epochs=EPOCHS, seed=1, hidden_frac=0.3)
    exported(net, found["train"].x, path)
    print(f"trained in {time.process_time() - start:.0f} s of processor time", flush=True)


def baseline(found: dict[str, Part]) -> str:
    """Return what a bag of words comes to on the test part."""
    from sklearn.linear_model import LogisticRegression

    def bags(x: np.ndarray) -> np.ndarray:
        counts = np.zeros((len(x), WORDS), dtype=np.float32)
        np.add.at(counts, (np.arange(len(x))[:, None], x), 1.0)
        counts[:, 0] = 0
        return np.log1p(counts)

    model = LogisticRegression(max_iter=200, C=1.0).fit(bags(found["train"].x), found["train"].y)
    share = float((model.predict(bags(found["test"].x)) == found["test"].y).mean())
    most = Counter(found["test"].y.tolist()).most_common(1)[0][1] / len(found["test"].y)
    return f"bag of words, logistic regression: {100 * share:.2f} %; always the most frequent class: {100 * most:.2f} %"


if __name__ == "__main__":
    run(__doc__, parts=parts, train=train, baseline=baseline)
