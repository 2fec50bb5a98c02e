"""Slimming a keyword-spotting network on speech that espeak-ng makes: ten words, voices apart.

Each word is spoken by espeak-ng (Debian package espeak-ng) in eight accents of English and many voice variants, at
speeds and pitches that are drawn; the variants of train, data and test are disjoint. One second at 22.05 kHz with the
word anywhere inside and noise at a signal-to-noise ratio drawn from 10 to 30 dB; features are 40 log-mel bands in 50
frames of 40 ms, by NumPy alone. Nearest centroid and a ridge classifier on these features (scikit-learn) stand beside
the network.
Usage: python bench/slim_speech.py FOLDER [--budget 120] [--stage train|slim|table]
"""

from __future__ import annotations

import io
import subprocess
import time
import wave
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np

from slim_single import Part, run

WORDS = "yes no up down left right on off stop go".split()
ACCENTS = "en-us en-gb en-gb-scotland en-gb-x-rp en-gb-x-gbclan en-gb-x-gbcwmd en-029 en-us-nyc".split()
VARIANTS = Path("/usr/lib/x86_64-linux-gnu/espeak-ng-data/voices/!v")
COUNTS = {"train": 8000, "data": 3600, "test": 2400}
VOICES = {"train": 0.5, "data": 0.25, "test": 0.25}
RATE_HZ, FRAME, HOP, BANDS, FRAMES = 22050, 882, 441, 40, 50
STRANGE = ("whisper", "whisperf", "Demonic", "UniRobot", "croak")  # people would not understand these
EPOCHS = 8


def spoken(word: str, voice: str, speed: int, pitch: int) -> np.ndarray:
    """Return what espeak-ng says, −1 to 1."""
    command = ["espeak-ng", "-v", voice, "-s", str(speed), "-p", str(pitch), "--stdout", word]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    with wave.open(io.BytesIO(data)) as found:
        sound = np.frombuffer(found.readframes(RATE_HZ * 5), dtype="<i2").astype(np.float32) / 2**15
    loud = np.flatnonzero(np.abs(sound) > 0.01)
    return sound[loud[0] : loud[-1] + 1] if len(loud) else sound[:1]


def second(sound: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return one second with the sound somewhere inside, and coloured noise 10 to 30 dB below it."""
    sound = sound[:RATE_HZ]
    place = int(generator.integers(0, RATE_HZ - len(sound) + 1))
    whole = np.zeros(RATE_HZ, dtype=np.float32)
    whole[place : place + len(sound)] = sound
    spectrum = np.fft.rfft(generator.standard_normal(RATE_HZ))
    spectrum /= np.maximum(np.arange(len(spectrum)), 20) ** generator.uniform(0, 1)
    noise = np.fft.irfft(spectrum, RATE_HZ)
    ratio = 10 ** (-generator.uniform(10, 30) / 20)
    return whole + ratio * noise * np.sqrt((sound**2).mean() / (noise**2).mean())


def mel_bands() -> np.ndarray:
    """Return triangular filters (bands, frequencies), 60 Hz to 8 kHz, evenly spaced on the mel scale."""
    edges_mel = np.linspace(2595 * np.log10(1 + 60 / 700), 2595 * np.log10(1 + 8000 / 700), BANDS + 2)
    edges_hz = 700 * (10 ** (edges_mel / 2595) - 1)
    frequencies_hz = np.fft.rfftfreq(FRAME, 1 / RATE_HZ)
    low, middle, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rising, falling = (frequencies_hz - low) / (middle - low), (high - frequencies_hz) / (high - middle)
    return np.maximum(0, np.minimum(rising, falling))


def features(sound: np.ndarray, bands: np.ndarray) -> np.ndarray:
    """Return log-mel features (1, frames, bands), mean 0 and deviation 1."""
    padded = np.concatenate([sound, np.zeros(FRAME, dtype=sound.dtype)])
    frames = np.stack([padded[place * HOP : place * HOP + FRAME] for place in range(FRAMES)]) * np.hanning(FRAME)
    power = np.abs(np.fft.rfft(frames)) ** 2 @ bands.T
    logs = np.log(power + 1e-6)
    return ((logs - logs.mean()) / (logs.std() + 1e-6))[None].astype(np.float32)


def parts() -> dict[str, Part]:
    """Return the samples; no voice variant is in two parts."""
    variants = sorted(path.name for path in VARIANTS.iterdir() if path.name not in STRANGE)
    generator = np.random.Generator(np.random.PCG64(3))
    variants = [variants[place] for place in generator.permutation(len(variants))]
    edges = np.round(np.cumsum([0.0, *VOICES.values()]) * len(variants)).astype(int)
    bands = mel_bands()
    found = {}
    for name, low, high in zip(VOICES, edges, edges[1:], strict=False):
        labels = np.arange(COUNTS[name]) % len(WORDS)
        seeds = generator.integers(0, 2**32, len(labels))
        with ThreadPoolExecutor(2) as pool:  # espeak-ng runs beside NumPy
            x = list(pool.map(partial(_one, variants[low:high], bands), seeds, labels))
        order = generator.permutation(len(labels))
        found[name] = Part(x=np.stack(x)[order], y=labels[order].astype(np.int64))
    return found


def _one(variants: list[str], bands: np.ndarray, seed: int, label: int) -> np.ndarray:
    """Return the features of one word, spoken as the seed says."""
    generator = np.random.Generator(np.random.PCG64(int(seed)))
    voice = f"{generator.choice(ACCENTS)}+{generator.choice(variants)}"
    sound = spoken(WORDS[label], voice, int(generator.integers(120, 221)), int(generator.integers(20, 81)))
    return features(second(sound, generator), bands)


def train(found: dict[str, Part], path: Path) -> None:
    import torch

    from slim_networks import exported, keywords, trained

    torch.set_num_threads(1)
    torch.manual_seed(1)
    start = time.process_time()
    net = trained(keywords(len(WORDS)), found["train"].x, found["train"].y, epochs=EPOCHS, seed=1)
    exported(net, found["train"].x, path)
    print(f"trained in {time.process_time() - start:.0f} s of processor time", flush=True)


def baseline(found: dict[str, Part]) -> str:
    """Return what linear models of the features come to on the test part."""
    from sklearn.linear_model import RidgeClassifier
    from sklearn.neighbors import NearestCentroid

    x, y = found["train"].x.reshape(len(found["train"].y), -1), found["train"].y
    tested, wanted = found["test"].x.reshape(len(found["test"].y), -1), found["test"].y
    models = {"nearest centroid": NearestCentroid(), "ridge classifier": RidgeClassifier(alpha=100.0)}
    shares = {name: float((model.fit(x, y).predict(tested) == wanted).mean()) for name, model in models.items()}
    return "; ".join(f"{name}: {100 * share:.2f} %" for name, share in shares.items())


if __name__ == "__main__":
    run(__doc__, parts=parts, train=train, baseline=baseline)
