"""``.pt2`` files of torch.export.save, loaded without unpickling and without evaluating a text that is not known.

The file is taken apart, the graph and the descriptions of weights are made anew of what is known to be harmless, and
only that, with the weights' raw bytes, goes to torch.export.load: an archive without a single pickle.
Source: torch/export/pt2_archive/_package.py and torch/_export/serde of torch 2.13.
"""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any

from twentywatts.errors import MissingExtraError, ModelError, clean
from twentywatts.readers.exported.archive import WAY_OUT, members_of
from twentywatts.readers.exported.graph import clean_graph
from twentywatts.readers.exported.weights import clean_weights

__all__ = ["clean_archive", "load_program"]

_KNOWN_TORCH = (2, 13)


def load_program(path: Path) -> Any:
    """Return the ExportedProgram of a .pt2 file; raises ModelError for what is not known to be harmless."""
    archive = clean_archive(path)
    import torch

    before = logging.root.manager.disable
    logging.disable(logging.ERROR)  # torch logs a traceback of what it cannot load
    try:
        return torch.export.load(archive)
    except Exception as error:
        reason = (str(error).strip().splitlines() or [""])[-1]
        raise ModelError(
            f"torch {torch.__version__} cannot load '{clean(path)}': {clean(f'{type(error).__name__}: {reason[:200]}')}"
        ) from None
    finally:
        logging.disable(before)


def clean_archive(path: Path) -> io.BytesIO:
    """Return a .pt2 archive in memory that holds the same program and no pickle.

    Raises ModelError for a file that cannot be cleaned, MissingExtraError where torch is not installed.
    """
    members = members_of(path)
    try:
        import torch
        from torch.export.pt2_archive import PT2ArchiveWriter
    except ImportError:
        raise MissingExtraError("torch", "torch") from None
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < _KNOWN_TORCH:
        wanted = ".".join(map(str, _KNOWN_TORCH))
        raise ModelError(f".pt2 files are read with torch {wanted} or newer, this is {torch.__version__}: {WAY_OUT}")
    parts = {"models/model.json": clean_graph(members["models/model.json"])}
    parts |= clean_weights(members, "weights") | clean_weights(members, "constants")
    parts["data/sample_inputs/model.pt"] = b""  # torch takes no bytes for no example inputs
    archive = io.BytesIO()
    with PT2ArchiveWriter(archive) as writer:
        for name, content in parts.items():
            writer.write_bytes(name, content)
    archive.seek(0)
    return archive
