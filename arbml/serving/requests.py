"""Bytes to a checked request, or one line that names the field and the mend."""

import difflib
import json
import typing
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError

from arbml.errors import InvalidRequest
from arbml.serving.schemas import Request

R = TypeVar("R", bound=Request)

MAX_DEPTH = 16  # the deepest request has 4 levels
MAX_SHOWN = 80

_MENDS = {
    "missing": "send it",
    "extra_forbidden": "remove it",
    "finite_number": "send a finite number",
    "too_short": "send more",
    "too_long": "send fewer, in several requests",
    "float_type": "send a JSON number, without quotes",
    "int_type": "send a whole JSON number, without quotes",
    "int_from_float": "send a whole number",
}


def decode(body: bytes) -> Any:
    """Return the JSON value of a body; nothing at all means {}.

    Stricter than most: UTF-8 only, no NaN or Infinity, no number beyond a double, no key twice, not deeper than MAX_DEPTH.

    Raises:
        InvalidRequest: saying where it breaks.
    """
    if not body.strip():
        return {}
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"not valid JSON: {error}", mend="send one JSON object in UTF-8; NaN and Infinity are no JSON") from None
    _check_depth(value, MAX_DEPTH)
    # orjson keeps the last of two equal keys and tells nobody; the slower parser is asked only for that.
    json.loads(body, object_pairs_hook=_unique)
    return value


def parse(model: type[R], value: Any, at: str = "") -> R:
    """Return `value` as a checked `model`.

    Args:
        model: one of `arbml.serving.schemas`.
        value: what `decode` gave.
        at: prefix of field names in messages.

    Raises:
        InvalidRequest: for the first refused field.
    """
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise _explain(model, error, at) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidRequest(f"'{_shown(twice)}' is given twice in one object", field=_shown(twice), mend="send each field once")
    return found


def _check_depth(value: Any, left: int) -> None:
    if left == 0:
        raise InvalidRequest(f"nested deeper than {MAX_DEPTH} levels", mend="send the documented fields only; see /openapi.json")
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return
    for item in value:
        if isinstance(item, (dict, list)):
            _check_depth(item, left - 1)


def _explain(model: type[BaseModel], error: ValidationError, at: str) -> InvalidRequest:
    # an unknown name explains a missing one, so it comes first
    problems = sorted(error.errors(include_url=False), key=lambda problem: problem["type"] != "extra_forbidden")
    first = problems[0]
    kind = first["type"]
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    message = f"must be {message}" if first["msg"].startswith("Input should be ") else message[:1].lower() + message[1:]
    mend = _MENDS.get(kind, "")
    if kind == "extra_forbidden":
        message = "no such field"
        mend = _suggest(str(first["loc"][-1]), _fields_at(model, first["loc"][:-1])) or mend
    elif kind == "missing":
        message = "is missing"
    elif kind == "literal_error" and isinstance(first["input"], str):
        mend = _suggest(first["input"].lower(), message.replace("'", " ").split()) or mend
    elif kind == "string_pattern_mismatch":
        message, mend = "has a character that it cannot have, or is empty or too long", f"it must match {first['ctx']['pattern']}"
    elif kind == "greater_than_equal" and str(first["loc"][-1]).endswith("_ms"):
        mend = "send UTC milliseconds, not seconds"
    elif kind in ("model_type", "model_attributes_type"):
        message, mend = "must be a JSON object", "see /openapi.json"
    if kind not in ("missing", "extra_forbidden", "model_type", "model_attributes_type", "too_long", "too_short"):
        message += f"; got {_shown(repr(first['input']))}"
    if len(problems) > 1:
        more = len(problems) - 1
        message += f" (and {more} more problem{'s' if more > 1 else ''})"
    return InvalidRequest(message, field=_path(at, first["loc"]), mend=mend)


def _path(at: str, loc: tuple[int | str, ...]) -> str:
    """("legs", 0, "price") -> "legs[0].price"."""
    text = at
    for part in loc:
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{_shown(part)}"
    return text


def _shown(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def _suggest(name: str, known: typing.Iterable[str]) -> str:
    near = difflib.get_close_matches(name[:MAX_SHOWN], list(known), n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else ""


def _fields_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """Names of the fields of the model that sits at `loc`."""
    for part in loc:
        if isinstance(part, str) and part in model.model_fields:
            model = _model_in(model.model_fields[part].annotation) or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := _model_in(part))), None)
