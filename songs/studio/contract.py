"""The endpoints' contract: the fields of the three orders, and refusals worded as FastAPI words
them."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import from_json, to_json

PATH = "/generate_from_description"
CALL_PARAMETER = "__modal_function_call_id"
NAMESPACE = uuid.UUID("5b0c7c62-2f0f-5d0e-9a54-6a2d0f4c9b11")


Words = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class BaseOrder(BaseModel):
    """What the three orders share. The ranges (seconds) are those of the hosted models."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    audio_duration: Annotated[float, Field(ge=10, le=240, allow_inf_nan=False)] = 180.0
    seed: int = -1
    guidance_scale: Annotated[float, Field(ge=0, le=30, allow_inf_nan=False)] = 15.0
    infer_step: Annotated[int, Field(ge=1, le=200)] = 60
    instrumental: bool = False

    @property
    def music(self) -> str:
        """The words that say what the music is like."""
        raise NotImplementedError

    @property
    def song(self) -> str:
        """The words that say what the song is about: its text, or what that should say."""
        return ""

    def identity(self, idempotency_key: str) -> uuid.UUID:
        """The identity of an order and its key. The same identity gives the same song and file."""
        return uuid.uuid5(NAMESPACE, f"{self.model_dump_json()}\n{idempotency_key}")


class Order(BaseOrder):
    """A song from a description."""

    full_described_song: Words

    @property
    def music(self) -> str:
        return self.full_described_song


class OrderWithLyrics(BaseOrder):
    """A song from style tags and its text."""

    prompt: Words
    lyrics: Words

    @property
    def music(self) -> str:
        return self.prompt

    @property
    def song(self) -> str:
        return self.lyrics


class OrderWithDescribedLyrics(BaseOrder):
    """A song from style tags and what its text should say."""

    prompt: Words
    described_lyrics: Words

    @property
    def music(self) -> str:
        return self.prompt

    @property
    def song(self) -> str:
        return self.described_lyrics


ORDERS: dict[str, type[BaseOrder]] = {
    PATH: Order,
    "/generate_with_lyrics": OrderWithLyrics,
    "/generate_with_described_lyrics": OrderWithDescribedLyrics,
}


@dataclass(frozen=True)
class Reply:
    """The reply: a status, a JSON body, further headers."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Refused(Exception):
    """The order breaks the contract. `reply` says where and how."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.body.decode())
        self.reply = reply


def read(body: bytes, content_type: str, path: str = PATH) -> BaseOrder:
    """Read the body as the order that this path takes. Raises Refused (422) with one entry for each
    fault."""
    if not body:
        raise _unprocessable([_fault("missing", ["body"], "Field required", None)])
    if content_type.partition(";")[0].strip().lower() not in ("application/json", ""):
        raise _unprocessable([_not_an_object(body.decode("utf-8", "replace")[:200])])
    try:
        data = from_json(body)
    except ValueError as error:
        fault = _fault("json_invalid", ["body", 0], "JSON decode error", {})
        raise _unprocessable([{**fault, "ctx": {"error": str(error)}}]) from error
    if not isinstance(data, dict):
        raise _unprocessable([_not_an_object(data)])
    try:
        return ORDERS[path].model_validate(data)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        raise _unprocessable(
            [{**fault, "loc": ["body", *fault["loc"]]} for fault in faults]
        ) from error


def answer(status: int, content: Any, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    return Reply(status, to_json(content, inf_nan_mode="strings"), headers)


def refusal(status: int, detail: str, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    return answer(status, {"detail": detail}, headers)


def _unprocessable(faults: list[Any]) -> Refused:
    return Refused(answer(422, {"detail": faults}))


def _fault(kind: str, place: list[Any], message: str, given: Any) -> dict[str, Any]:
    return {"type": kind, "loc": place, "msg": message, "input": given}


def _not_an_object(given: Any) -> dict[str, Any]:
    message = "Input should be a valid dictionary or object to extract fields from"
    return _fault("model_attributes_type", ["body"], message, given)
