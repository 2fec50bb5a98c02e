"""The hub is asked last, quickly, and never where it is switched off. The client is a fake; nothing leaves here."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from twentywatts.errors import ModelError
from twentywatts.readers import hub
from twentywatts.readers.architectures import load_architecture

CONFIG = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "vocab_size": 100,
}


class GatedRepoError(Exception):
    """Stands for the client's error of this name."""


class FakeHub(ModuleType):
    """A client with a cache and an answer: a path, or an exception."""

    def __init__(self) -> None:
        super().__init__("huggingface_hub")
        self.cache: Any = None
        self.answer: Any = AssertionError("the hub was asked")

    def try_to_load_from_cache(self, model: str, file: str) -> Any:
        if isinstance(self.cache, Exception):
            raise self.cache
        return self.cache

    def hf_hub_download(self, model: str, file: str, *, etag_timeout: float) -> str:
        assert etag_timeout <= 5
        if isinstance(self.answer, Exception):
            raise self.answer
        return str(self.answer)


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> FakeHub:
    fake = FakeHub()
    monkeypatch.setitem(sys.modules, "huggingface_hub", fake)
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(hub, "getproxies", dict)
    return fake


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONFIG))
    return path


@pytest.fixture
def reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "_reachable", lambda endpoint: True)


@pytest.mark.usefixtures("reachable")
def test_a_model_of_the_hub_is_read_by_its_config(client: FakeHub, config: Path) -> None:
    client.answer = config
    found = load_architecture("someone/else")
    assert (found.name, found.origin, found.main.hidden_size) == ("someone/else", "hub", 64)


@pytest.mark.usefixtures("client")
def test_a_bundled_model_never_asks_the_hub() -> None:
    assert load_architecture("meta-llama/Llama-3.1-8B").origin == "bundled"


def test_where_it_is_switched_off_only_the_cache_is_used(
    client: FakeHub, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for client.cache in (None, object(), OSError("broken")):
        with pytest.raises(ModelError, match=r"^'someone/else' is not bundled, and HF_HUB_OFFLINE keeps from the hub"):
            load_architecture("someone/else")
    client.cache = str(config)
    assert load_architecture("someone/else").main.hidden_size == 64


@pytest.mark.usefixtures("client")
def test_an_address_that_does_not_answer_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for endpoint in ("http://127.0.0.1:9", "https://" + "a" * 70 + ".invalid"):  # nobody listens; no such name
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        with pytest.raises(ModelError, match=r"the hub cannot be reached \(offline\?\): give a folder"):
            load_architecture("someone/else")


@pytest.mark.usefixtures("reachable")
def test_a_refusal_of_the_hub_is_one_line(client: FakeHub, config: Path) -> None:
    client.answer = GatedRepoError("403\nlots of text")
    with pytest.raises(ModelError, match="it is gated: accept its terms there and log in; or give a folder") as caught:
        load_architecture("someone/else")
    assert "\n" not in str(caught.value)
    client.answer = ValueError("boom")
    with pytest.raises(ModelError, match=r"the hub did not give it \(ValueError\)"):
        load_architecture("someone/else")
    config.write_text('{"model_type": "llama"}')
    client.answer = config
    with pytest.raises(ModelError, match=r"^someone/else: .*'hidden_size' or .* is missing"):
        load_architecture("someone/else")


def test_a_proxy_is_left_to_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "getproxies", lambda: {"https": "http://127.0.0.1:9"})
    assert hub._reachable("https://huggingface.co")


def test_without_the_client_the_way_out_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModelError, match=r"pip install 'twentywatts\[hub\]'"):
        load_architecture("someone/else")
