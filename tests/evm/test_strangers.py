"""A store with ticks of one chain, and the pool file of another that calls its venues by the same names."""

from pathlib import Path

import pytest

from arbml.collectors.evm.pools import EvmPool, Token
from arbml.collectors.evm.strangers import refuse_strangers
from arbml.config import StoreConfig
from arbml.errors import ConfigError
from arbml.market import Tick
from arbml.store import Store

POOL, OTHER = "0x" + "ab" * 20, "0x" + "cd" * 20


def pool(venue: str = "uniswap_v3", address: str = POOL) -> EvmPool:
    return EvmPool(address, "v3", venue, Token("0x1", "WETH", 18), Token("0x2", "USDC", 6), True, 5.0)


def tick(ts_ms: int, chain_id: int | None, address: str | None, venue: str = "uniswap_v3") -> Tick:
    return Tick(ts_ms, venue, "WETH/USDC", 2000.0, ts_ms, chain_id=chain_id, pool=address)


@pytest.mark.parametrize(
    ("chain_id", "address", "whose"), [(10, POOL, "chain 10"), (1, OTHER, f"pool {OTHER}"), (None, None, "no chain")]
)
def test_what_would_mix_is_refused_and_a_free_name_is_given(
    tmp_path: Path, chain_id: int | None, address: str | None, whose: str
) -> None:
    with Store.open(StoreConfig(), tmp_path) as store:
        store.ticks.append([tick(1, chain_id, address), tick(1, 1, POOL, "uniswap_v3_1")])
        with pytest.raises(ConfigError, match=f'WETH/USDC at uniswap_v3 are of {whose}; .* e.g. "uniswap_v3_5bps"'):
            refuse_strangers([pool("another"), pool()], 1, store.ticks)


def test_its_own_ticks_and_new_streams_are_welcome(tmp_path: Path) -> None:
    with Store.open(StoreConfig(), tmp_path) as store:
        refuse_strangers([pool()], 1, store.ticks)
        store.ticks.append([tick(1, 1, POOL), tick(1, 10, OTHER, "uniswap_v3_10")])
        refuse_strangers([pool()], 1, store.ticks)
        refuse_strangers([pool("uniswap_v3_10", OTHER)], 10, store.ticks)
