"""One request to a language model: tokens of text, images or a clip of sound, and what such a request is called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from twentywatts.architecture import Architecture, Stack
from twentywatts.counting.use import DecoderUse, Speculation
from twentywatts.errors import InputError, counted

__all__ = ["Asked", "Request", "request_of"]

# where nobody says; printed with the result
_PROMPT_TOKENS = 500
_REPLY_TOKENS = 300
_BEGUN = 1  # token that an answer begins with, where the prompt is sound


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What somebody said of a request, None where nothing.

    prompt_tokens, output_tokens: of text. images: beside the text. cached_frac: of the prompt whose keys and values are
    kept from requests before. speculation: a draft that writes ahead.
    """

    prompt_tokens: int | None = None
    output_tokens: int | None = None
    images: int = 0
    cached_frac: float = 0.0
    speculation: Speculation | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked once. what: in words. use: the numbers that were given or assumed, as they are printed.

    seen_tokens: of the main stack, text and images together. output_tokens: that are written, 0 for a model that only
    reads. images: that the towers read. cached_frac, speculation: as asked.
    """

    what: str
    use: Mapping[str, float]
    seen_tokens: float
    output_tokens: int
    images: int = 0
    cached_frac: float = 0.0
    speculation: Speculation | None = None
    notes: tuple[str, ...] = ()


def request_of(architecture: Architecture, asked: Asked) -> Request:
    """Return one request to a model; raises InputError for what it cannot be asked.

    Lengths are as usual for such a model where nobody says. A model of images alone reads one of them; one of sound a
    clip, so that its prompt is the token that an answer begins with.
    """
    main, images = architecture.main, asked.images
    if main.kind == "vision":
        return _image_alone(architecture, asked)
    sound = next((tower for tower in architecture.towers if tower.kind == "audio"), None) if _attends(main) else None
    prompt = (_BEGUN if sound else _PROMPT_TOKENS) if asked.prompt_tokens is None else asked.prompt_tokens
    written = (_REPLY_TOKENS if main.causal else 0) if asked.output_tokens is None else asked.output_tokens
    if main.causal and written < 1:
        raise InputError(f"'{architecture.name}' writes text: --output must be at least 1, got {written}")
    if _attends(main) and any(tower.kind == "vision" for tower in architecture.towers):
        images = max(images, 1)  # its layers attend to one
    each = _image_tokens(architecture) if images else 0.0
    # says what is wrong with lengths and shares
    DecoderUse(batch=1, prompt_tokens=prompt, output_tokens=written, cached_prompt_frac=asked.cached_frac)
    _check_draft(architecture, asked.speculation)
    use: dict[str, float] = {"prompt_tokens": float(prompt), "output_tokens": float(written)}
    notes: tuple[str, ...] = ()
    if images:
        use |= {"images": float(images), "tokens_per_image": each}
        notes = (f"an image is taken as one of the tower's usual size: {each:,.0f} tokens of the language model",)
    use |= {"cached_prompt_frac": asked.cached_frac} if asked.cached_frac else {}
    if asked.speculation:
        use |= {
            "draft_tokens": float(asked.speculation.draft_tokens),
            "accepted_frac": asked.speculation.acceptance_frac,
        }
    if asked.speculation or asked.cached_frac:
        notes = (
            *notes,
            "drafts and kept prompts are counted; no measured run has them, so that no interval was tried on any",
        )
    return Request(
        what=_what(architecture, prompt, written, images=images, sound=sound),
        use=use,
        seen_tokens=prompt + images * each * (not _attends(main)),
        output_tokens=written,
        images=images,
        cached_frac=asked.cached_frac,
        speculation=asked.speculation,
        notes=notes,
    )


def _check_draft(architecture: Architecture, speculation: Speculation | None) -> None:
    draft = speculation.draft if speculation else None
    if speculation and not architecture.main.causal:
        raise InputError(f"'{architecture.name}' writes nothing: there is nothing that a draft could write ahead")
    if draft is not None and (not draft.main.causal or _attends(draft.main)):
        raise InputError(f"'{draft.name}' cannot be a draft: it does not write text alone")


def _attends(main: Stack) -> bool:
    """Tell a model that attends to another stack from one that takes images as tokens of its own."""
    return any(group.cross for group in main.layers)


def _image_alone(architecture: Architecture, asked: Asked) -> Request:
    if asked != Asked():
        raise InputError(
            f"'{architecture.name}' reads one image: it has no prompt, writes nothing and takes no --images"
        )
    tokens = float(architecture.main.token_count)
    return Request(
        what=f"One image ({tokens:,.0f} tokens)", use={"tokens_per_image": tokens}, seen_tokens=tokens, output_tokens=0
    )


def _image_tokens(architecture: Architecture) -> float:
    """Return tokens of one image for the language model, after its tower; raises InputError where there is none."""
    tower = next((tower for tower in architecture.towers if tower.kind == "vision"), None)
    if tower is None:
        raise InputError(f"'{architecture.name}' is a language model: it has no images")
    return round(tower.token_count * tower.output_token_frac)


def _what(architecture: Architecture, prompt: int, written: int, *, images: int, sound: Stack | None) -> str:
    if sound is not None:
        before = f", after {counted(prompt, 'token')}" if prompt > _BEGUN else ""
        return f"One clip of sound ({sound.token_count:,} frames in, {counted(written, 'token')} out{before})"
    seen = f"{counted(images, 'image')} and {counted(prompt, 'token')}" if images else counted(prompt, "token")
    if not written:
        return f"One pass over {seen}"
    reply = "answer" if any(tower.kind in ("audio", "encoder") for tower in architecture.towers) else "chat reply"
    return f"One {reply} ({seen} in, {written:,} out)"
