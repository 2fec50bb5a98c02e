"""Write train.npz and test.npz of scikit-learn's bundled handwritten digits (8 × 8 pixels, 10 classes).

Usage: python examples/digits_data.py FOLDER
The split is the one that the bundled network was trained with: it has never seen the samples of test.npz.
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


def digits() -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return train and test: images of shape (samples, 1, 8, 8) in 0…1 and class indices."""
    images, labels = load_digits(return_X_y=True)
    images = (images.reshape(-1, 1, 8, 8) / 16.0).astype(np.float32)
    x_train, x_test, y_train, y_test = train_test_split(images, labels, test_size=0.6, random_state=20, stratify=labels)
    return {"train": (x_train, y_train), "test": (x_test, y_test)}


def main(folder: str) -> None:
    """Write both files into ``folder``."""
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    for name, (x, y) in digits().items():
        np.savez(target / f"{name}.npz", x=x, y=y)
        print(f"{target / name}.npz: {len(y)} samples")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ".")
