"""The models that ship: what ``estimate`` knows without a file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from twentywatts.counting.precision import precision_of
from twentywatts.errors import InputError, clean, nearest
from twentywatts.estimation.decoder import card_of
from twentywatts.estimation.diffusion import card_of as diffusion_card_of
from twentywatts.estimation.result import ModelCard
from twentywatts.readers.architectures import architecture_names, load_architecture
from twentywatts.readers.bundled import bundled_aliases
from twentywatts.readers.diffusions import diffusion_names, load_diffusion

__all__ = ["BundledModel", "bundled_models"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BundledModel:
    """A model that ships. aliases: other names that it is found by, hub ids among them, in lower case."""

    card: ModelCard
    aliases: tuple[str, ...]


def bundled_models(word: str = "") -> list[BundledModel]:
    """Return the models that ship by kind and name, those whose name, title or alias holds ``word``.

    Raises InputError where none does.
    """
    every = [*_language_models(), *_diffusion_models()]
    wanted = word.strip().lower()
    found = [model for model in every if any(wanted in text.lower() for text in _texts(model))]
    if not found:
        names = [text for model in every for text in _texts(model)]
        raise InputError(f"no model that ships is called '{clean(word)[:100]}'{nearest(word, names)}")
    return found


def _texts(model: BundledModel) -> tuple[str, ...]:
    return (model.card.name, model.card.title, *model.aliases)


def _language_models() -> Iterator[BundledModel]:
    for name in architecture_names():
        architecture = load_architecture(name)
        card = card_of(architecture, precision_of(architecture, "", cache_name=""))
        yield BundledModel(card=card, aliases=_aliases("architectures", name))


def _diffusion_models() -> Iterator[BundledModel]:
    cards = [diffusion_card_of(load_diffusion(name)) for name in diffusion_names()]
    for card in sorted(cards, key=lambda card: card.kind):
        yield BundledModel(card=card, aliases=_aliases("diffusion", card.name))


def _aliases(folder: str, name: str) -> tuple[str, ...]:
    found = (alias for alias, meant in bundled_aliases(folder).items() if meant == name and alias != name)
    return tuple(sorted(found))
