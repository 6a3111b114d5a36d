"""One node, over HTTP: whatever it does is an error of the right kind, in time, and shows no key."""

import gzip
import logging
import math
import re
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from arbml.collectors.evm.errors import BatchTooLarge, RateLimited, Refused, Reverted, RpcError, TooManyResults, UnknownBlock, Unreachable
from arbml.collectors.evm.rpc import Request
from arbml.collectors.evm.transport import HttpRpc
from arbml.errors import ConfigError, SourceError, TransientError
from tests.evm import faults
from tests.evm.fixtures import needs_chain
from tests.evm.proxy import Exchange, Fault, Proxy, proxied

if TYPE_CHECKING:
    from tests.evm.world import World

SECRETS = ("s3cretUser", "pass%77ord", "passwword", "0123456789abcdef", "queryKey77")


def keyed(url: str) -> str:
    """The URL with a secret in every place that one can be in."""
    return url.replace("://", "://s3cretUser:pass%77ord@") + "/v3/0123456789abcdef?apikey=queryKey77"


@pytest.fixture
def proxy(world: "World") -> Iterator[Proxy]:
    with proxied(world.url) as made:
        yield made


@needs_chain
def test_results_come_in_the_order_of_the_requests_over_one_connection(world: "World", proxy: Proxy) -> None:
    def backwards(exchange: Exchange) -> bool:
        import json

        answers = json.loads(exchange.true_answer())
        exchange.answer(json.dumps(answers[::-1] if exchange.batch else answers).encode())
        return True

    proxy.fault = backwards
    rpc = HttpRpc(proxy.url)
    assert rpc.batch([]) == []
    for _ in range(3):
        assert int(rpc.call("eth_blockNumber", []), 16) == world.tip
        blocks = rpc.batch([("eth_getBlockByNumber", [hex(n), False]) for n in range(20)] + [("eth_chainId", [])])
        assert [int(b["number"], 16) for b in blocks[:-1]] == list(range(20))
        assert blocks[-1] == hex(31_337)
    assert (proxy.connections, len(proxy.seen)) == (1, 6)
    rpc.close()


@needs_chain
def test_an_error_stands_in_the_place_of_its_request(world: "World") -> None:
    usdc, pool = world.tokens["USDC"], world.pools[0]
    data = world.made.executor.data("execute", usdc.address, 1, 0, [(pool.address, 2)])
    orphan = {"blockHash": "0x" + "ab" * 32}
    found = HttpRpc(world.url).batch(
        [
            ("eth_blockNumber", []), ("eth_getLogs", [orphan]), ("eth_call", [{"to": world.made.executor.address, "data": data}, "latest"]),
            ("eth_noSuchThing", []), ("eth_getBlockByNumber", [hex(10**6), False]), ("eth_call", [{"to": pool.address}, orphan]),
        ]
    )  # fmt: skip
    assert [type(one).__name__ for one in found] == ["str", "UnknownBlock", "Reverted", "Unsupported", "NoneType", "UnknownBlock"]
    assert isinstance(found[2], SourceError)
    assert isinstance(found[1], TransientError)
    assert str(found[1]).startswith(f"{world.url}: eth_getLogs: ")
    with pytest.raises(Reverted, match="not the owner"):
        HttpRpc(world.url).call("eth_call", [{"to": world.made.executor.address, "data": data}, "latest"])


@needs_chain
@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (faults.dropped, Unreachable, "the connection was dropped"), (faults.reset, Unreachable, "the connection was dropped"),
        (faults.half, Unreachable, "half an answer"), (faults.half_chunked, Unreachable, "half an answer"),
        (faults.half_unmarked, Unreachable, r"\d+ bytes that are not JSON"), (faults.half_batch, Unreachable, "answers to 1 of 2 requests"),
        (faults.malformed, Unreachable, "33 bytes that are not JSON"), (faults.garbage, Unreachable, "an answer that is not HTTP"),
        (faults.silent, Unreachable, "no whole answer within 0.5 s"), (faults.dripping, Unreachable, "no whole answer within 0.5 s"),
        (faults.status(500), Unreachable, r"the server failed \(500\)"), (faults.status(502), Unreachable, "502"),
        (faults.status(429), RateLimited, "too many requests"), (faults.status(503, {"Retry-After": "2"}), RateLimited, "503"),
        (faults.status(401), Refused, "is the key in the URL right"), (faults.status(404), Refused, "is the URL that of a node"),
        (faults.status(413), BatchTooLarge, "too large"), (faults.says(-32000, "batch too large"), None, ""),
        (faults.status(200, body=b"[]"), Unreachable, "answers to 0 of 2"), (faults.status(200, body=b"null"), Unreachable, "not asked"),
        (faults.status(200, body=b'{"id":null,"error":{"code":-32600,"message":"invalid request"}}'), BatchTooLarge, "invalid request"),
        (faults.status(400, body=b'{"error":{"code":-32005,"message":"rate limit, retry in 7s"}}'), RateLimited, "rate limit"),
    ],
)  # fmt: skip
def test_each_fault_of_a_node_has_a_name(proxy: Proxy, fault: Fault, kind: type[RpcError] | None, said: str) -> None:
    rpc = HttpRpc(keyed(proxy.url), timeout_s=0.5)
    requests: list[Request] = [("eth_blockNumber", []), ("eth_chainId", [])]
    rpc.batch(requests)  # over a connection that was good before, too
    proxy.fault = fault
    started = time.monotonic()
    if kind is None:
        assert [type(one) for one in rpc.batch(requests)] == [BatchTooLarge] * 2
    else:
        with pytest.raises(kind, match=said) as caught:
            rpc.batch(requests)
        shown = "".join(traceback.format_exception(caught.value)) + repr(rpc) + repr(caught.value)
        assert not [secret for secret in SECRETS if secret in shown]
        assert proxy.url in str(caught.value)
    assert time.monotonic() - started < 0.9
    proxy.fault = None
    assert rpc.call("eth_chainId", []) == hex(31_337)


@needs_chain
def test_what_a_node_wants_is_taken_from_header_or_words(proxy: Proxy) -> None:
    rpc = HttpRpc(proxy.url)
    for fault, wanted_s in (
        (faults.status(429, {"Retry-After": "3"}), 3.0), (faults.status(429), None),
        (faults.status(429, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}), None),
        (faults.says(-32005, "daily request count exceeded, request rate limited", {"rate": {"backoff_seconds": 30}}), 30.0),
        (faults.says(429, "slow down", http_status=429), None), (faults.says(-32090, "call rate limit exhausted, retry in 10s"), 10.0),
    ):  # fmt: skip
        proxy.fault = fault
        with pytest.raises(RateLimited) as caught:
            rpc.call("eth_getLogs", [{}])
        assert caught.value.retry_after_s == wanted_s
    proxy.fault = faults.says(-32005, "query returned more than 10000 results. Try with this block range [0x10, 0x1F].", http_status=400)
    with pytest.raises(TooManyResults) as found:
        rpc.call("eth_getLogs", [{}])
    assert found.value.suggested_range == (16, 31)


@needs_chain
def test_a_connection_that_went_stale_is_replaced_without_a_word(world: "World", proxy: Proxy) -> None:
    rpc = HttpRpc(proxy.url)

    def hang_up_after(exchange: Exchange) -> bool:
        exchange.answer(exchange.true_answer())
        exchange.hang_up()
        return True

    proxy.fault = hang_up_after
    for _ in range(4):
        assert int(rpc.call("eth_blockNumber", []), 16) == world.tip
    assert proxy.connections == 4


@needs_chain
def test_a_large_answer_comes_packed_and_one_that_is_too_large_is_refused(world: "World", proxy: Proxy) -> None:
    bombs = gzip.compress(b'{"id":0,"result":"' + b"x" * 10_000_000 + b'"}')

    def packed(exchange: Exchange) -> bool:
        assert "gzip" in exchange.headers["Accept-Encoding"]
        exchange.answer(gzip.compress(exchange.true_answer()), headers={"Content-Encoding": "gzip"})
        return True

    proxy.fault = packed
    assert HttpRpc(proxy.url).call("eth_getBlockByNumber", ["0x1", True])["number"] == "0x1"
    for fault in (faults.status(200, {"Content-Encoding": "gzip"}, bombs), faults.status(200, None, b" " * 2_000_000)):
        proxy.fault = fault
        with pytest.raises(Refused, match="an answer of more than 1000000 bytes; ask for less"):
            HttpRpc(proxy.url, max_response_bytes=1_000_000).call("eth_blockNumber", [])
    proxy.fault = faults.status(200, {"Content-Encoding": "gzip"}, bombs[:-20])
    with pytest.raises(Unreachable, match="half an answer"):
        HttpRpc(proxy.url).call("eth_blockNumber", [])


@needs_chain
def test_it_may_be_shared_between_threads(proxy: Proxy) -> None:
    rpc, wrong = HttpRpc(proxy.url, idle=3), []

    def ask(n: int) -> None:
        for k in range(20):
            number = hex(n * 3 + k % 3)
            if rpc.call("eth_getBlockByNumber", [number, False])["number"] != number:
                wrong.append((n, k))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert (wrong, len(proxy.seen)) == ([], 120)


def test_nobody_there_and_no_such_host() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(Unreachable, match=re.escape(f"{url}: eth_call and 1 more: nobody listens there")):
        HttpRpc(keyed(url)).batch([("eth_call", []), ("eth_call", [])])
    with pytest.raises(Unreachable, match="cannot be resolved"):
        HttpRpc(keyed("http://no-such-host.invalid")).call("eth_call", [])


@pytest.mark.parametrize("url", ["", "localhost:8545", "ftp://h/6789abcdef", "https:///6789abcdef", "http://h/012345 6789abcdef"])
def test_a_url_that_is_none_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        HttpRpc(url)
    assert "6789abcdef" not in str(caught.value)


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Certificate and key for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a node")]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True).sign(key, hashes.SHA256())
    )  # fmt: skip
    certificate, secret = folder / "certificate.pem", folder / "key.pem"
    certificate.write_bytes(made.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return certificate, secret


@needs_chain
def test_https_and_a_certificate_that_nobody_vouches_for(world: "World", tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate, secret = self_signed(tmp_path)
    with proxied(world.url, tls=(certificate, secret)) as proxy:
        assert proxy.url.startswith("https://")
        with pytest.raises(Refused, match="its certificate is refused: self-signed certificate"):
            HttpRpc(keyed(proxy.url)).call("eth_chainId", [])
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        rpc = HttpRpc(keyed(proxy.url), timeout_s=0.5)
        for _ in range(3):
            assert int(rpc.call("eth_blockNumber", []), 16) == world.tip
        for fault, said in ((faults.dropped, "dropped"), (faults.half, "half"), (faults.dripping, "within 0.5 s")):
            proxy.fault = fault
            with pytest.raises(Unreachable, match=said):
                rpc.call("eth_blockNumber", [])


def test_a_websocket_url_is_refused_with_its_host() -> None:
    with pytest.raises(ConfigError, match=r"^wss://h\.io: needs an http or https URL"):
        HttpRpc("wss://h.io/0123456789abcdef")


@needs_chain
def test_nothing_logs_a_key(proxy: Proxy, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    rpc = HttpRpc(keyed(proxy.url), timeout_s=0.5)
    proxy.fault = faults.says(-32000, "project 0123456789abcdef of s3cretUser may not do this")
    with pytest.raises(Refused, match=r"project \*\*\* of \*\*\* may not do this"):
        rpc.call("eth_call", [])
    assert proxy.paths[-1] == "/v3/0123456789abcdef?apikey=queryKey77"
    assert not [secret for secret in SECRETS if secret in caplog.text]


@needs_chain
def test_the_deadline_is_one_for_the_whole_exchange(proxy: Proxy) -> None:
    proxy.fault = faults.dripping
    for timeout_s in (0.2, 0.6):
        started = time.monotonic()
        with pytest.raises(Unreachable):
            HttpRpc(proxy.url, timeout_s=timeout_s).call("eth_blockNumber", [])
        assert math.isclose(time.monotonic() - started, timeout_s, abs_tol=0.25)


def test_an_error_survives_a_process_boundary() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(UnknownBlock("eth_call", "https://h", "unknown block", -32000)))
    assert (str(error), type(error)) == ("https://h: eth_call: unknown block (-32000)", UnknownBlock)
