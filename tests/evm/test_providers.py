"""Several nodes behind one face: each fault of one is made up for, and what a node that lags says is not taken for the truth."""

import contextlib
import logging
import math
import random
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbml.clock import stopwatch_s
from arbml.collectors.evm.errors import (
    Pruned,
    RateLimited,
    Refused,
    TooManyResults,
    UnknownBlock,
    Unreachable,
    Unsupported,
    WrongChain,
)
from arbml.collectors.evm.masking import Endpoint
from arbml.collectors.evm.pace import Limits, Pace
from arbml.collectors.evm.providers import Providers
from arbml.collectors.evm.rpc import Request
from arbml.collectors.evm.transport import HttpRpc
from arbml.errors import ConfigError
from tests.evm import faults
from tests.evm.fixtures import needs_chain
from tests.evm.proxy import Exchange, Fault, Proxy, proxied

if TYPE_CHECKING:
    from tests.evm.world import World

KEY = "/v2/0123456789abcdef"


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now_s += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def make(world: "World", time: Time) -> Iterator[Callable[..., tuple[Providers, list[Proxy]]]]:
    """Return a maker of providers over as many proxies as faults are given."""
    with contextlib.ExitStack() as stack:

        def made(*plans: Fault | None, limits: Limits | None = None, **more: Any) -> tuple[Providers, list[Proxy]]:
            proxies = [stack.enter_context(proxied(world.url, fault)) for fault in plans]
            providers = Providers(
                [proxy.url + KEY for proxy in proxies], limits=limits or Limits(requests_per_s=math.inf), rng=random.Random(7),
                stopwatch=time, sleep=time.sleep, connect=lambda url: HttpRpc(url, timeout_s=0.4), **more,
            )  # fmt: skip
            return providers, proxies

        yield made


Make = Callable[..., tuple[Providers, list[Proxy]]]
REQUESTS: list[Request] = [("eth_blockNumber", []), ("eth_getBlockByNumber", ["0x5", False]), ("eth_chainId", [])]


@needs_chain
@pytest.mark.parametrize(
    "fault",
    [
        faults.dropped, faults.reset, faults.half, faults.half_chunked, faults.half_unmarked, faults.half_batch, faults.malformed,
        faults.garbage, faults.silent, faults.status(500), faults.status(502), faults.status(503), faults.status(429),
        faults.status(429, {"Retry-After": "1"}), faults.says(-32005, "Too Many Requests"),
        faults.says(-32603, "internal error"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("alone", [True, False])
def test_each_fault_is_made_up_for(world: "World", make: Make, time: Time, fault: Fault, alone: bool) -> None:
    if alone:
        providers, proxies = make(faults.first(2, fault))
    else:
        providers, proxies = make(fault, None)
    number, block, chain = providers.batch(REQUESTS)
    assert (int(number, 16), block["number"], chain) == (world.tip, "0x5", hex(31_337))
    if alone:
        assert len(time.slept) == 2
    else:
        assert time.slept == []
        asked = len(proxies[0].seen)
        providers.batch(REQUESTS)
        assert len(proxies[0].seen) == asked, "it rests"



@needs_chain
def test_a_node_that_refuses_everything_is_left_alone_and_no_node_is_asked_in_vain(make: Make, time: Time) -> None:
    providers, _ = make(faults.status(401), None)
    assert providers.call("eth_chainId", []) == hex(31_337)
    alone, _ = make(faults.status(401))
    with pytest.raises(Refused, match="no access; is the key in the URL right"):
        alone.call("eth_chainId", [])
    assert time.slept == []


@needs_chain
def test_it_gives_up_in_the_end_with_the_last_word_and_without_the_key(make: Make, time: Time, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    providers, proxies = make(faults.dropped, faults.status(502))
    with pytest.raises(Unreachable) as caught:
        providers.call("eth_chainId", [])
    assert [len(proxy.seen) for proxy in proxies] == [4, 4]
    assert 1 < sum(time.slept) < 20
    assert "0123456789abcdef" not in str(caught.value) + caplog.text + repr(providers) + repr(providers.nodes)
    warned = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warned) == 2, "one line for each node, however often it fails"
    assert f"{proxies[0].url}: eth_chainId and 1 more: the connection was dropped; left alone for" in caplog.text


@needs_chain
def test_rest_grows_with_jitter_and_is_no_shorter_than_the_node_wants(make: Make, time: Time) -> None:
    limits = Limits(requests_per_s=math.inf, tries=7, back_off_s=1.0, longest_s=8.0, patience_s=1000)
    providers, _ = make(faults.dropped, limits=limits)
    with pytest.raises(Unreachable):
        providers.call("eth_chainId", [])
    assert len(time.slept) == 6
    for slept, most in zip(time.slept, (1, 2, 4, 8, 8, 8), strict=True):
        assert most / 2 <= slept <= most
    assert len({slept / most for slept, most in zip(time.slept, (1, 2, 4, 8, 8, 8), strict=True)}) == 6
    time.slept.clear()
    providers, _ = make(faults.first(1, faults.status(429, {"Retry-After": "17"})))
    assert providers.call("eth_chainId", []) == hex(31_337)
    assert 17 <= sum(time.slept) < 18
    providers, _ = make(faults.status(429, {"Retry-After": "3600"}))
    with pytest.raises(RateLimited, match="too many requests"):
        providers.call("eth_chainId", [])


@needs_chain
def test_a_node_that_stopped_is_not_asked_for_newer_blocks(world: "World", make: Make, time: Time) -> None:
    old = world.tip
    pool, usdc = world.pool("uniswap_v2", "USDC", "WETH"), world.tokens["USDC"]
    for _ in range(8):
        assert world.swap(pool, usdc, 10**6).ok
    providers, (stuck, good) = make(faults.stale(old), None)
    new = world.tip
    assert int(providers.call("eth_blockNumber", []), 16) == new
    block = providers.call("eth_getBlockByNumber", [hex(new), False])
    logs = [{"fromBlock": hex(old), "toBlock": hex(new), "address": pool.address}]
    assert len(providers.call("eth_getLogs", logs)) == 16, "the node that is stuck would have cut them short"
    assert len(providers.call("eth_getLogs", [{"blockHash": block["hash"], "address": pool.address}])) == 2
    assert (stuck.count("eth_getLogs"), stuck.count("eth_getBlockByNumber")) == (0, 0)
    good.fault = faults.dropped
    with pytest.raises((UnknownBlock, Unreachable)):
        providers.call("eth_getLogs", logs)
    assert stuck.count("eth_getLogs") == 0
    assert providers.call("eth_getBlockByNumber", [hex(old), False])["number"] == hex(old), "of old blocks it may be asked"
    assert stuck.count("eth_getBlockByNumber") == 1
    good.fault, stuck.fault = None, None
    time.now_s += 60
    assert int(providers.call("eth_blockNumber", []), 16) == new
    assert len(providers.call("eth_getLogs", logs)) == 16
    assert stuck.count("eth_getLogs") == 1, "it caught up, and is preferred again"


@needs_chain
def test_what_one_node_does_not_know_another_may(world: "World", make: Make) -> None:
    tip = world.block(world.tip)
    by_hash: list[Request] = [
        ("eth_getLogs", [{"blockHash": tip["hash"]}]), ("eth_getBlockByHash", [tip["hash"], False]),
        ("eth_getBlockReceipts", [tip["hash"]]), ("eth_chainId", []),
    ]  # fmt: skip
    providers, (_, good) = make(faults.stale(world.tip - 1), None)
    logs, block, receipts, _ = providers.batch(by_hash)
    assert (block["hash"], len(receipts)) == (tip["hash"], len(tip["transactions"]))
    assert {log["blockHash"] for log in logs} == {tip["hash"]}
    assert good.count("eth_chainId") == 1, "that was not asked again, but for the check of the chain"
    for fault, kind in (
        (faults.says(-32601, "method not found"), Unsupported), (faults.says(-32000, "missing trie node"), Pruned),
        (faults.says(-32000, "unknown block"), UnknownBlock), (faults.says(-32602, "archive requests need a token"), Pruned),
    ):  # fmt: skip
        providers, _ = make(faults.when("eth_getBlockReceipts", fault), None)
        assert len(providers.call("eth_getBlockReceipts", [tip["hash"]])) == len(tip["transactions"])
        both, proxies = make(*[faults.when("eth_getBlockReceipts", fault)] * 2)
        with pytest.raises(kind):
            both.call("eth_getBlockReceipts", [tip["hash"]])
        assert [proxy.count("eth_getBlockReceipts") for proxy in proxies] == [1, 1]


@needs_chain
def test_a_method_that_a_node_does_not_know_is_asked_of_the_others_from_then_on(world: "World", make: Make) -> None:
    providers, (without, _) = make(faults.when("eth_getBlockReceipts", faults.says(-32601, "method not found")), None)
    for _ in range(3):
        assert providers.call("eth_getBlockReceipts", [hex(world.tip)])
    assert without.count("eth_getBlockReceipts") == 1


@needs_chain
def test_a_block_that_does_not_exist_yet_is_none_and_its_logs_are_an_error(world: "World", make: Make) -> None:
    providers, _ = make(None, None)
    tip, absent = providers.batch([("eth_blockNumber", []), ("eth_getBlockByNumber", [hex(world.tip + 1), False])])
    assert (int(tip, 16), absent) == (world.tip, None)
    with pytest.raises(UnknownBlock, match=f"no node has block {world.tip + 5}; the best head is {world.tip}"):
        providers.call("eth_getLogs", [{"fromBlock": "0x1", "toBlock": hex(world.tip + 5)}])
    assert providers.call("eth_getBlockByHash", ["0x" + "00" * 32, False]) is None


@needs_chain
def test_a_block_that_is_there_elsewhere_is_not_reported_as_absent(world: "World", make: Make) -> None:
    """Behind one URL there may be several nodes: one says how high the chain is, the next does not have that block."""
    providers, _ = make(faults.when("eth_getBlockByNumber", faults.stale(3)))
    assert int(providers.call("eth_blockNumber", []), 16) == world.tip
    with pytest.raises(UnknownBlock, match="the node is behind"):
        providers.call("eth_getBlockByNumber", [hex(world.tip), False])


@needs_chain
def test_a_node_of_another_chain_is_refused(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    providers, (wrong, _) = make(faults.wrong_chain(1), None, chain_id=31_337)
    for _ in range(3):
        assert providers.call("eth_getBlockByNumber", ["0x5", False])["number"] == "0x5"
    assert wrong.count("eth_getBlockByNumber") == 0
    assert f"{wrong.url}: eth_chainId: it is of chain 1, not of chain 31337 that asked for; mend the URL" in caplog.text
    only, _ = make(faults.wrong_chain(1), chain_id=31_337)
    with pytest.raises(WrongChain, match="it is of chain 1, not of chain 31337"):
        only.call("eth_blockNumber", [])
    untold, _ = make(None, faults.wrong_chain(1))
    with pytest.raises(WrongChain, match="not of chain 31337 that the other nodes are of"):
        untold.call("eth_blockNumber", [])


@needs_chain
def test_a_batch_that_is_too_large_is_asked_in_parts(make: Make) -> None:
    never = faults.status(200, body=b'{"id":null,"error":{"code":-32600,"message":"invalid request"}}')
    for most, fault in ((7, faults.status(413)), (1, never), (100, never)):

        def refusing(exchange: Exchange, most: int = most, fault: Fault = fault) -> bool:
            return len(exchange.asked) > most and fault(exchange)

        providers, (proxy,) = make(refusing, limits=Limits(requests_per_s=math.inf, batch=40))
        blocks = providers.batch([("eth_getBlockByNumber", [hex(n), False]) for n in range(60)])
        assert [int(block["number"], 16) for block in blocks] == list(range(60))
        sizes = [len(methods) for methods in proxy.seen if "eth_chainId" not in methods and methods != ["eth_blockNumber"]]
        assert sizes == {7: [40, 20, 10, *[5] * 12], 1: [1] * 60, 100: [40, 20]}[most]
        logs = providers.call("eth_getLogs", [{"fromBlock": "0x1", "toBlock": providers.call("eth_blockNumber", [])}])
        assert len(logs) > 50


@needs_chain
def test_a_part_that_fails_does_not_undo_those_before(world: "World", make: Make) -> None:
    calls = [0]

    def third(exchange: Exchange) -> bool:
        calls[0] += 1
        return calls[0] == 3 and faults.half(exchange)

    providers, (one, other) = make(third, None, limits=Limits(requests_per_s=math.inf, batch=10))
    blocks = providers.batch([("eth_getBlockByNumber", [hex(n), False]) for n in range(30)])
    assert [int(block["number"], 16) for block in blocks] == list(range(30))
    assert (one.count("eth_getBlockByNumber"), other.count("eth_getBlockByNumber")) == (20, 20)


@needs_chain
def test_too_many_results_is_for_who_asked_and_nobody_else_is_asked(world: "World", make: Make, time: Time) -> None:
    providers, (_, other) = make(faults.at_most_blocks(5), None)
    wide: Request = ("eth_getLogs", [{"fromBlock": "0x1", "toBlock": "0x20"}])
    found = providers.batch([wide, ("eth_getLogs", [{"fromBlock": "0x1", "toBlock": "0x2"}])])
    assert (type(found[0]), type(found[1])) == (TooManyResults, list)
    assert (other.count("eth_getLogs"), time.slept) == (0, [])


@needs_chain
def test_random_faults_of_all_nodes_change_no_answer(world: "World", make: Make) -> None:
    rng = random.Random(3)
    kinds = [
        faults.dropped, faults.reset, faults.half, faults.half_chunked, faults.malformed, faults.status(500), faults.status(429),
        faults.half_batch, faults.says(-32005, "Too Many Requests"), faults.stale(10),
    ]  # fmt: skip
    limits = Limits(requests_per_s=math.inf, tries=100, patience_s=10_000)
    providers, proxies = make(*[faults.at_random(rng, 0.4, kinds) for _ in range(3)], limits=limits)
    truth, unknown = HttpRpc(world.url), 0
    for _ in range(60):
        low = rng.randrange(world.tip - 5)
        requests: list[Request] = [("eth_getBlockByNumber", [hex(n), True]) for n in range(low, low + 5)]
        requests.append(("eth_getLogs", [{"fromBlock": hex(low), "toBlock": hex(world.tip)}]))
        found = providers.batch(requests)
        for said, so in zip(found, truth.batch(requests), strict=True):
            assert said == so or isinstance(said, UnknownBlock)
            unknown += isinstance(said, UnknownBlock)
    assert unknown < 20  # of 360: only where all others rested
    assert min(len(proxy.seen) for proxy in proxies) > 3


class Counting:
    """A node without a network that notes how many ask at once."""

    def __init__(self, url: str) -> None:
        self.endpoint = Endpoint(url)
        self.now = self.most = 0
        self._gate = threading.Barrier(3, timeout=5)

    def batch(self, requests: Sequence[Request]) -> list[Any]:
        self.now += 1
        self.most = max(self.most, self.now)
        if requests[0][0] == "wait":
            self._gate.wait()
        self.now -= 1
        return ["0x1"] * len(requests)

    def call(self, method: str, params: Sequence[Any]) -> Any:
        return self.batch([(method, list(params))])[0]

    def close(self) -> None:
        return


def test_no_more_at_once_than_allowed() -> None:
    node = Counting("http://h")
    providers = Providers(["http://h"], limits=Limits(requests_per_s=math.inf, concurrency=3), connect=lambda _: node)
    providers.call("eth_chainId", [])
    threads = [threading.Thread(target=providers.call, args=("wait", [])) for _ in range(9)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(10)
    assert node.most == 3  # the barrier lets nobody go before three are in


@settings(max_examples=50)
@given(st.lists(st.tuples(st.floats(0, 3), st.integers(1, 40)), min_size=1, max_size=60), st.floats(1, 50), st.floats(0, 2))
def test_the_pace_is_kept_over_any_span(asked: list[tuple[float, int]], rate: float, burst_s: float) -> None:
    now = [0.0]
    pace = Pace(Limits(requests_per_s=rate, burst_s=burst_s), lambda: now[0])
    sent: list[tuple[float, int]] = []
    for pause, n in asked:
        now[0] += pause
        now[0] += pace.book(n)
        sent.append((now[0], n))
    for i in range(len(sent)):
        for j in range(i, len(sent)):
            between = sum(n for _, n in sent[i:j])  # the last one may still be under way
            assert between <= rate * (sent[j][0] - sent[i][0] + burst_s) + 1e-6


def test_without_a_rate_a_node_elsewhere_is_asked_politely_and_one_here_freely() -> None:
    for url, waits in (("http://127.0.0.1:1", 0.0), ("http://h", 0.52)):
        time, node = Time(), Counting(url)
        providers = Providers([url], limits=Limits(batch=50), stopwatch=time, sleep=time.sleep, connect={url: node}.__getitem__)
        providers.batch([("eth_call", [])] * 200)
        assert sum(time.slept) == pytest.approx(waits, abs=1e-6)  # the last 50 wait for 152 before them, but for a second's worth


def test_who_is_told_to_stop_is_not_kept_waiting() -> None:
    stop = threading.Event()
    stop.set()
    providers = Providers(["http://127.0.0.1:9"], limits=Limits(back_off_s=10.0), sleep=stop.wait)
    started = stopwatch_s()
    with pytest.raises(Unreachable, match="nobody listens"):
        providers.call("eth_chainId", [])
    assert stopwatch_s() - started < 1.0


def test_no_url_is_refused() -> None:
    with pytest.raises(ConfigError, match="give the URL of at least one"):
        Providers([])
