"""The hub, asked last and quickly: a config.json from its local cache, else from the net, else an error in seconds."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path
from types import ModuleType
from urllib.parse import urlsplit
from urllib.request import getproxies

from twentywatts.errors import ModelError, clean

__all__ = ["hub_config"]

_TIMEOUT_S = 3.0
_ENDPOINT = "https://huggingface.co"
_WAYS = "give a folder or file with its config.json"


def hub_config(model: str, unknown: str) -> Path:
    """Return the path of a model's config.json; raises ModelError at once where the hub cannot be reached.

    unknown: what the message begins with. HF_HUB_OFFLINE is respected; what the client has cached is used all the
    same. The client itself would try an unreachable hub for half a minute, so that its address is tried first.
    """
    try:
        import huggingface_hub
    except ImportError:
        raise ModelError(f"{unknown}: {_WAYS}, or install the hub's client: pip install 'twentywatts[hub]'") from None
    cached = _cached(huggingface_hub, model)
    if cached is not None:
        return cached
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        raise ModelError(f"{unknown}, and HF_HUB_OFFLINE keeps from the hub: {_WAYS}")
    if not _reachable(os.environ.get("HF_ENDPOINT", _ENDPOINT)):
        raise ModelError(f"{unknown}, and the hub cannot be reached (offline?): {_WAYS}")
    try:
        return Path(huggingface_hub.hf_hub_download(model, "config.json", etag_timeout=_TIMEOUT_S))
    except Exception as error:  # the client raises what its HTTP library raises
        reason = {"GatedRepoError": "it is gated: accept its terms there and log in"}.get(type(error).__name__)
        reason = reason or f"the hub did not give it ({clean(type(error).__name__)})"
        raise ModelError(f"{unknown}, and {reason}; or {_WAYS}") from error


def _cached(client: ModuleType, model: str) -> Path | None:
    """Return the config.json that the client has on disk, None where it has none."""
    try:
        found = client.try_to_load_from_cache(model, "config.json")
    except Exception:  # an unreadable cache is no cache
        return None
    return Path(found) if isinstance(found, str) else None


def _reachable(endpoint: str) -> bool:
    """Return whether the hub's address answers within seconds; through a proxy nothing can be told, so it may be."""
    parts = urlsplit(endpoint)
    if getproxies().get(parts.scheme or "https"):
        return True
    answers: list[bool] = []
    port = parts.port or (80 if parts.scheme == "http" else 443)

    def ask() -> None:
        try:
            socket.create_connection((parts.hostname or "", port), timeout=_TIMEOUT_S).close()
            answers.append(True)
        except (OSError, UnicodeError):
            answers.append(False)

    thread = threading.Thread(target=ask, daemon=True)  # the name look-up itself knows no time limit
    thread.start()
    thread.join(_TIMEOUT_S)
    return answers == [True]
