"""Reads the environment and `.env` into a `Config`; only entry points (cli, flows, bentos) import this.

Every field of every section is `ML_<SECTION>__<FIELD>`, for instance `ML_LSTM__SEQUENCE_LENGTH=60`; lists are
comma-separated or JSON. The promised short names are in `SHORT_NAMES`. The environment wins over `.env`. An unknown
`ML_*` name stops the start.
"""

import difflib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_origin

from dotenv import dotenv_values
from pydantic import ValidationError

from arbml.config import Config, Section
from arbml.errors import ConfigError

SHORT_NAMES: dict[str, tuple[str, ...]] = {
    "ML_HOME": ("home",),
    "ML_DATA_COLLECTION_ENABLED": ("collection", "enabled"),
    "ML_DATA_INTERVAL": ("collection", "interval_ms"),
    "ETH_RPC_URL": ("collection", "rpc"),
    "ML_LSTM_ENABLED": ("lstm", "enabled"),
    "ML_SCORER_ENABLED": ("scorer", "enabled"),
    "ML_VOLATILITY_ENABLED": ("volatility", "enabled"),
    "ML_CONFIDENCE_THRESHOLD": ("scorer", "confidence_threshold"),
    "ML_USE_GPU": ("training", "use_gpu"),
    "ML_MODELS_PATH": ("registry", "models_path"),
    "REDIS_HOST": ("redis", "host"),
    "REDIS_PORT": ("redis", "port"),
    "TIMESERIES_CONNECTION_STRING": ("store", "connection_string"),
}


def known_names() -> dict[str, tuple[str, ...]]:
    """Return every environment name that means something, with the field it sets."""
    names = dict(SHORT_NAMES)
    for section, field in Config.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, Section):
            for name in field.annotation.model_fields:
                names[f"ML_{section.upper()}__{name.upper()}"] = (section, name)
    return names


def load_settings(environ: Mapping[str, str] | None = None, dotenv: Path | None = None) -> Config:
    """Build the configuration from the environment and a `.env` file.

    Args:
        environ: variables; the process environment without it.
        dotenv: the file to read first; `.env` in the working directory without it, if there is one.

    Raises:
        ConfigError: naming the variable, what is wrong with it and, for an unknown name, the nearest known one.
    """
    environ = os.environ if environ is None else environ
    file = dotenv or Path(".env")
    if dotenv is not None and not file.is_file():
        raise ConfigError(f"{file}: no such file; give the path of a .env file")
    from_file = {k: v for k, v in dotenv_values(file).items() if v is not None} if file.is_file() else {}
    values = {**from_file, **environ}
    known = known_names()
    data: dict[str, Any] = {}
    origin: dict[tuple[str, ...], str] = {}
    for name in sorted(values):
        if name not in known:
            if name.upper().startswith("ML_"):
                where = f" in {file}" if name in from_file else ""
                raise ConfigError(f"{name}{where}: no such setting{_suggest(name, known)}")
            continue
        path = known[name]
        if path in origin and values[name] != values[origin[path]]:
            raise ConfigError(f"{name} and {origin[path]} set the same thing to different values; keep one")
        origin[path] = name
        _put(data, path, _parse(values[name], path))
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise ConfigError(_explain(error, origin)) from None


def _suggest(name: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else "; .env.example lists them all"


def _parse(text: str, path: tuple[str, ...]) -> Any:
    """Empty means unset for optional fields; tuples are read from JSON or comma-separated text."""
    text = text.strip()
    annotation = _annotation(path)
    if get_origin(annotation) is tuple:
        if text.startswith("["):
            try:
                return json.loads(text)
            except json.JSONDecodeError:
                return text
        return [part.strip() for part in text.split(",") if part.strip()]
    if text == "" and annotation is not None and type(None) in getattr(annotation, "__args__", ()):
        return None
    return text


def _annotation(path: tuple[str, ...]) -> Any:
    if len(path) == 1:
        return Config.model_fields[path[0]].annotation
    section = Config.model_fields[path[0]].annotation
    return section.model_fields[path[1]].annotation if isinstance(section, type) and issubclass(section, Section) else None


def _put(data: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        data = data.setdefault(key, {})
    data[path[-1]] = value


def _explain(error: ValidationError, origin: Mapping[tuple[str, ...], str]) -> str:
    """One line for the first problem, in the names that the user typed."""
    first = error.errors()[0]
    path = tuple(str(part) for part in first["loc"])
    name = origin.get(path[:2]) or origin.get(path[:1]) or "__".join(path).upper() or "settings"
    secret = path[:2] == ("store", "connection_string")
    given = "" if secret or not path else f" (given: {first['input']!r})"
    rest = len(error.errors()) - 1
    message = first["msg"].removeprefix("Value error, ")
    return f"{name}: {message[0].lower()}{message[1:]}{given}" + (f"; and {rest} more" if rest else "")


def example_env() -> str:
    """Return the text of `.env.example`: every name with its default and what it means.

    Regenerate with `python -c "from arbml.settings import example_env; print(example_env(), end='')" > .env.example`.
    """
    lines = [
        "# Every setting with its default. Copy to .env and uncomment what you change; the environment wins over the file.",
        "# Lists are comma-separated. An unknown ML_* name stops the start.",
    ]
    short = {path: name for name, path in SHORT_NAMES.items()}
    for section, field in Config.model_fields.items():
        if not (isinstance(field.annotation, type) and issubclass(field.annotation, Section)):
            lines += ["", f"# {field.description}", f"#{short[(section,)]}={field.default}"]
            continue
        lines += ["", f"# --- {section}: {(field.annotation.__doc__ or '').splitlines()[0].rstrip('.')}"]
        for name, option in field.annotation.model_fields.items():
            env = short.get((section, name), f"ML_{section.upper()}__{name.upper()}")
            lines.append(f"#{env}={_shown(option.default)}" + (f"   # {option.description}" if option.description else ""))
    return "\n".join(lines) + "\n"


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
