"""Times as people write them."""

from datetime import UTC, datetime

from arbml.errors import ConfigError


def moment_ms(option: str, text: str | None) -> int | None:
    """Read an ISO time as UTC ms; without an offset it is UTC.

    Raises:
        ConfigError: if it is none, naming the option.

    >>> moment_ms("--from", "2024-01-05T00:00:23"), moment_ms("--from", None)
    (1704412823000, None)
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"{option} {text!r} is no ISO time; write e.g. 2024-01-31 or 2024-01-31T12:00") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
