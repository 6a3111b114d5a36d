"""URLs of nodes carry keys, in the path, in the query or as user and password: what is shown of one, and what is never."""

import re
from ipaddress import ip_address
from urllib.parse import parse_qsl, unquote, urlsplit

from arbml.errors import ConfigError

_SCHEMES = ("http", "https", "ws", "wss")
_SHORTEST_SECRET = 6  # "v3" and "rpc" in a path are no secrets, and would be cut out of ordinary words
_ONE_LINE = re.compile(r"\s+")
_LONGEST_SAID = 300


def masked(url: str) -> str:
    """Return scheme, host and port of a URL, and nothing else of it.

    >>> masked("https://user:pass@Mainnet.example.io/v3/0123456789abcdef?key=x")
    'https://mainnet.example.io'
    >>> masked("ws://127.0.0.1:8545/"), masked("no url at all")
    ('ws://127.0.0.1:8545', '***')
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "***"
    if not host or parts.scheme not in _SCHEMES:
        return "***"
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


class Endpoint:
    """A URL that does not show what is secret of it.

    Args:
        url: http, https, ws or wss.

    Attributes:
        masked: what may be shown. scheme, host, port: where it is; the port of the scheme where none is given.
        target: path and query, secret. authorization: the value of that header, secret; None without user and password.

    Raises:
        ConfigError: it is no such URL; the message does not repeat it.
    """

    def __init__(self, url: str) -> None:
        self.masked = masked(url)
        if self.masked == "***" or any(c.isspace() or not c.isprintable() for c in url):
            raise ConfigError("a node's URL must look like https://host/key or wss://host/key; one does not (not shown, it may hold a key)")
        parts = urlsplit(url)
        self.url = url
        self.scheme, self.host = parts.scheme, str(parts.hostname)
        self.port: int = parts.port or (443 if parts.scheme in ("https", "wss") else 80)
        self.target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        self.user, self.password = unquote(parts.username or ""), unquote(parts.password or "")
        self._secrets = self._all_secrets()

    def scrub(self, text: str) -> str:
        """Return what a node or a library said as one short line, without any secret of the URL that it may repeat.

        >>> Endpoint("https://host/v3/0123456789abcdef").scrub("project 0123456789abcdef\\nis over its limit")
        'project *** is over its limit'
        """
        for secret in self._secrets:
            text = text.replace(secret, "***")
        text = _ONE_LINE.sub(" ", text).strip()
        return text if len(text) <= _LONGEST_SAID else text[:_LONGEST_SAID] + "..."

    @property
    def local(self) -> bool:
        """True where it is on this machine.

        >>> Endpoint("http://127.0.0.1:8545").local, Endpoint("ws://localhost").local, Endpoint("https://h.io").local
        (True, True, False)
        """
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __repr__(self) -> str:
        return f"Endpoint({self.masked})"

    def _all_secrets(self) -> list[str]:
        """Return every part of the URL that may be a key, longest first so that none is left in pieces."""
        parts = urlsplit(self.url)
        found = {self.url, self.target, parts.path, parts.query, parts.netloc.rpartition("@")[0]}
        found |= set(parts.path.split("/")) | {value for _, value in parse_qsl(parts.query)}
        found |= {one.partition("=")[2] for one in parts.query.split("&")}
        found |= {parts.username or "", parts.password or "", self.user, self.password, parts.fragment}
        found |= {unquote(one) for one in found}
        return sorted((one for one in found if len(one) >= _SHORTEST_SECRET), key=len, reverse=True)
