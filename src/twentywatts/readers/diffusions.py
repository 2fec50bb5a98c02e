"""load_diffusion: the name of a model that draws → Diffusion, from data/diffusion/*.toml."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from twentywatts.architecture_diffusion import Denoiser, Diffusion, LatentDecoder, TextEncoder
from twentywatts.errors import ModelError, clean, nearest
from twentywatts.readers.bundled import bundled_aliases, bundled_tables

__all__ = ["diffusion_names", "is_diffusion", "load_diffusion"]


_FOLDER = "diffusion"


def diffusion_names() -> list[str]:
    """Return the names of all bundled models that draw."""
    return [name for name, table in bundled_tables(_FOLDER).items() if "denoiser" in table]


def is_diffusion(name: str) -> bool:
    """Return whether a name or alias is that of a bundled model that draws."""
    return bundled_aliases(_FOLDER).get(name.lower(), "") in diffusion_names()


@cache
def load_diffusion(name: str) -> Diffusion:
    """Return a bundled model that draws by name or alias; raises ModelError with the nearest name."""
    found = bundled_aliases(_FOLDER).get(name.lower(), "")
    if found not in diffusion_names():
        known = ", ".join(diffusion_names())
        raise ModelError(
            f"unknown diffusion model '{clean(name)[:100]}'{nearest(name, bundled_aliases(_FOLDER))}; known: {known}"
        )
    table = bundled_tables(_FOLDER)[found]
    parts = bundled_tables(_FOLDER)["parts"]
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
        recalled=table["figures"]["parameter_count"]["grade"] == "guess",
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
