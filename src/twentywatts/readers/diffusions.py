"""load_diffusion: the name of a model that draws → Diffusion, from data/diffusion/*.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any

from twentywatts.architecture_diffusion import Denoiser, Diffusion, LatentDecoder, TextEncoder
from twentywatts.errors import ModelError, clean, nearest

__all__ = ["diffusion_names", "is_diffusion", "load_diffusion"]


@cache
def _tables() -> Mapping[str, Mapping[str, Any]]:
    folder = files("twentywatts") / "data" / "diffusion"
    paths = sorted((path for path in folder.iterdir() if path.name.endswith(".toml")), key=lambda path: path.name)
    found = {path.name.removesuffix(".toml"): tomllib.loads(path.read_text(encoding="utf-8")) for path in paths}
    return MappingProxyType(found)


@cache
def _aliases() -> Mapping[str, str]:
    """Return alias → name, in lower case; a hub id is also found without its publisher."""
    found: dict[str, str] = {}
    for name, table in _tables().items():
        for alias in (name, *table["aliases"]):
            found[alias.lower()] = name
            found.setdefault(alias.lower().rpartition("/")[2], name)
    return MappingProxyType(found)


def diffusion_names() -> list[str]:
    """Return the names of all bundled models that draw."""
    return [name for name, table in _tables().items() if "denoiser" in table]


def is_diffusion(name: str) -> bool:
    """Return whether a name or alias is that of a bundled model that draws."""
    return _aliases().get(name.lower(), "") in diffusion_names()


@cache
def load_diffusion(name: str) -> Diffusion:
    """Return a bundled model that draws by name or alias; raises ModelError with the nearest name."""
    found = _aliases().get(name.lower(), "")
    if found not in diffusion_names():
        known = ", ".join(diffusion_names())
        raise ModelError(f"unknown diffusion model '{clean(name)[:100]}'{nearest(name, _aliases())}; known: {known}")
    table = _tables()[found]
    parts = _tables()["parts"]
    plain = {key: value for key, value in table.items() if key in _PLAIN}
    return Diffusion(
        name=found,
        denoiser=Denoiser(**_sizes(table["denoiser"])),
        text_encoders=tuple(
            TextEncoder(
                name=encoder["name"], token_count=encoder["token_count"], **_sizes(parts["text"][encoder["name"]])
            )
            for encoder in table["text_encoders"]
        ),
        decoder=LatentDecoder(**_sizes(parts["decoders"][table["decoder"]])),
        sources=(table["denoiser"]["source"],),
        notes=tuple(table.get("notes", ())),
        **plain,
    )


_PLAIN = (
    "title pixels_per_site patch text_tokens guided steps width_px height_px frames frames_per_latent frame_patch"
).split()


def _sizes(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers of a table, without what says where they come from."""
    return {key: value for key, value in table.items() if key not in ("grade", "source", "where")}
