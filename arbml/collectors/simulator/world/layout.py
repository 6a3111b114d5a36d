"""From settings to the arrays that the compiled world works on."""

import math
from itertools import permutations

import numpy as np

from arbml.collectors.simulator.world.arrays import Floats, Ints, Rules, State
from arbml.collectors.simulator.world.config import USD, PoolSettings, WorldConfig
from arbml.collectors.simulator.world.kernels import columns, entries

YEAR_S, DAY_S = 365 * 24 * 3600.0, 24 * 3600.0
JUMP_NERVES = 0.5  # standard deviations by which a jump raises the fast log volatility
LONGEST = 3  # swaps in a route of the rivals


def token_names(config: WorldConfig) -> tuple[str, ...]:
    """Return the names of all tokens, the one that everything is valued in first."""
    return (USD, *(token.name for token in config.tokens))


def rules_of(config: WorldConfig) -> Rules:
    """Return what never changes."""
    routes = rivals_routes(config.pools)
    tokens = token_names(config)
    legs = np.zeros((len(routes), 2 + 2 * LONGEST), np.int64)
    chains = [chain.chain_id for chain in config.chains]
    for row, route in zip(legs, routes, strict=True):
        row[:2] = chains.index(config.pools[route[0][0]].chain_id), len(route)
        row[2 : 2 + 2 * len(route)] = np.array(route).ravel()
    start: Ints = np.array([tokens.index(_takes(config.pools[route[0][0]], route[0][1])) for route in routes], np.int64)
    return Rules(_weather(config), _tokens(config), _chains(config), _pools(config), _rivals(config), legs, start)


def first_state(config: WorldConfig, rules: Rules, key: np.uint64) -> State:
    """Return the world before its first second: all pools at the efficient price, at usual volatility."""
    pools, positions = len(config.pools), config.providers.positions
    token = np.log([1.0, *(token.start_usd for token in config.tokens)])
    chain, pool = np.zeros((len(config.chains), columns.N_CHAIN_STATE)), np.zeros((pools, columns.N_POOL_STATE))
    chain[:, columns.FEE], chain[:, columns.FULL] = rules.chain[:, columns.USUAL_FEE], 0.5
    state = State(np.zeros(2), token, chain, pool, np.zeros(len(rules.start)), np.zeros((pools, positions, 3)))
    for p, settings in enumerate(config.pools):
        base, quote = int(rules.pool[p, columns.BASE]), int(rules.pool[p, columns.QUOTE])
        log_price = token[base] - token[quote]
        root = math.exp(0.5 * log_price)
        liquidity = settings.value_usd / 2.0 / math.exp(token[quote]) / root
        if settings.kind == "v3":
            liquidity *= config.providers.full_range_share
            state.position[p, 0] = -columns.FAR, columns.FAR, liquidity
            pool[p, columns.CELL] = math.floor(log_price / rules.pool[p, columns.WIDTH])
        pool[p, columns.ROOT], pool[p, columns.LIQUIDITY] = root, liquidity
    entries.open_pools(rules, state, key)
    return state


def rivals_routes(pools: tuple[PoolSettings, ...]) -> list[tuple[tuple[int, int], ...]]:
    """Return every round trip of two or three swaps inside a chain, each once: legs of (number of the pool, 1 if it buys the base).

    A round trip starts in USDC where it passes it, else in the token of the smallest name.
    """
    found = []
    for length in range(2, LONGEST + 1):
        for chosen in permutations(range(len(pools)), length):
            if len({pools[p].chain_id for p in chosen}) > 1:
                continue
            for first in (0, 1):
                route = _closed(pools, chosen, first)
                if route is not None:
                    found.append(route)
    return found


def _closed(pools: tuple[PoolSettings, ...], chosen: tuple[int, ...], first: int) -> tuple[tuple[int, int], ...] | None:
    """The round trip through these pools in this order, if it is one and starts where it should."""
    start = token = _takes(pools[chosen[0]], first)
    legs, passed = [], []
    for p in chosen:
        base, _, quote = pools[p].pair.partition("/")
        if token not in (base, quote) or token in passed:
            return None
        passed.append(token)
        legs.append((p, int(token == quote)))
        token = base if token == quote else quote
    return tuple(legs) if token == start and start == min(passed, key=lambda name: (name != USD, name)) else None


def _takes(pool: PoolSettings, buys: int) -> str:
    base, _, quote = pool.pair.partition("/")
    return quote if buys else base


def _keep(step_s: float, half_life_s: float) -> float:
    return float(0.5 ** (step_s / half_life_s))


def _noise(keep: float, spread: float) -> float:
    return spread * math.sqrt(1.0 - keep * keep)


def _weather(config: WorldConfig) -> Floats:
    prices, demand, providers = config.prices, config.demand, config.providers
    fast, slow = _keep(1.0, prices.fast_half_life_s), _keep(1.0, prices.slow_half_life_s)
    kick, jumps = JUMP_NERVES * prices.fast_spread, prices.jumps_per_day / DAY_S
    w = np.zeros(columns.N_WEATHER)
    w[columns.FAST_KEEP], w[columns.FAST_NOISE] = fast, _noise(fast, prices.fast_spread)
    w[columns.SLOW_KEEP], w[columns.SLOW_NOISE] = slow, _noise(slow, prices.slow_spread)
    w[columns.SWING], w[columns.TAILS] = prices.day_swing, prices.tail_degrees
    w[columns.JUMPS], w[columns.JUMP], w[columns.KICK] = jumps, prices.jump_bps / 1e4, kick
    w[columns.KICK_MEAN] = jumps * kick / (1.0 - fast)
    w[columns.START_DAY] = config.start_ts_ms / 1000.0 / DAY_S
    w[columns.LINK], w[columns.BLOCK_NOISE], w[columns.ELASTICITY] = demand.volatility_link, demand.block_noise, demand.elasticity
    w[columns.RUSH_LOG] = demand.rush_log
    w[columns.CHANGES], w[columns.SPREAD] = providers.changes_per_hour / 3600.0, providers.spread
    w[columns.WITHDRAWN], w[columns.FULL_RANGE] = providers.withdrawn_share, providers.full_range_share
    w[columns.EAGERNESS] = config.rivals.eagerness
    w[columns.NATIVE] = token_names(config).index(config.native)
    return w


def _tokens(config: WorldConfig) -> Floats:
    second = math.sqrt(1.0 / YEAR_S)
    rows = [(0.0, 0.0, 0.0)]
    for token in config.tokens:
        sigma, share = token.volatility_annual * second, token.market_share
        rows.append((sigma * share, sigma * math.sqrt(1.0 - share * share), share))
    return np.array(rows)


def _chains(config: WorldConfig) -> Floats:
    demand, rows = config.demand, np.zeros((len(config.chains), columns.N_CHAIN))
    for row, chain in zip(rows, config.chains, strict=True):
        keep = _keep(chain.block_s, demand.half_life_s)
        row[columns.BLOCK_S], row[columns.USUAL_FEE], row[columns.TIP] = chain.block_s, chain.base_fee_gwei, chain.tip_gwei
        row[columns.MISS], row[columns.DEMAND_KEEP], row[columns.DEMAND_NOISE] = chain.miss_share, keep, _noise(keep, demand.spread)
        row[columns.RUSHES] = demand.rushes_per_day * chain.block_s / DAY_S
        row[columns.RUSH_KEEP] = _keep(chain.block_s, demand.rush_half_life_s)
        row[columns.EAGER_KEEP], row[columns.MARGIN] = _keep(chain.block_s, config.rivals.half_life_s), chain.margin_usd
    return rows


def _pools(config: WorldConfig) -> Floats:
    tokens, chains = token_names(config), [chain.chain_id for chain in config.chains]
    rows = np.zeros((len(config.pools), columns.N_POOL))
    for row, pool in zip(rows, config.pools, strict=True):
        base, _, quote = pool.pair.partition("/")
        row[columns.CHAIN], row[columns.V3] = chains.index(pool.chain_id), pool.kind == "v3"
        row[columns.KEEP], row[columns.BASE], row[columns.QUOTE] = 1.0 - pool.fee_bps / 1e4, tokens.index(base), tokens.index(quote)
        row[columns.TRADES], row[columns.TRADE_USD] = pool.trades_per_minute / 60.0, pool.trade_usd
        row[columns.LOOKS], row[columns.WIDTH] = 1.0 / pool.informed_s, pool.spacing_bps / 1e4
        row[columns.HALF], row[columns.VALUE] = pool.range_bps / pool.spacing_bps, pool.value_usd
    return rows


def _rivals(config: WorldConfig) -> Floats:
    rivals, rows = config.rivals, np.zeros((config.rivals.count, columns.N_RIVAL))
    for k, row in enumerate(rows):
        part = k / max(1, rivals.count - 1)  # the keenest bids most
        row[columns.REACTION] = rivals.reaction_s * (1.0 + 2.0 * part)
        row[columns.LATENCY] = rivals.latency_s * (k + 1)
        row[columns.BID] = rivals.bid_share * (1.0 - 0.9 * part)
    return rows
