"""The market, step by step: efficient price, gas, competition, and what people do to the pools.

Plain Python on purpose: a day is 17 280 steps and takes half a second, less than compiling the loop would.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from arbml.collectors.simulator.config import SimulatorConfig
from arbml.collectors.simulator.pools import Pools
from arbml.collectors.simulator.shocks import Floats, Shocks

YEAR_S = 365 * 24 * 3600.0
DAY_S = 24 * 3600.0
LONGEST_SPIKE = 3.0  # logarithm: gas goes to 20 times its level and no higher
JUMP_NERVES = 0.5  # standard deviations by which a jump raises the log volatility
_CHUNK = 10_000


@dataclass(frozen=True, slots=True)
class Market:
    """What happened in n steps on m venues.

    Attributes:
        efficient: (n,) the price that nobody shows, quote per base.
        sigma: (n,) standard deviation of its return in the step, without jumps.
        nerves: (n,) log of sigma over its usual level, without the time of day.
        gas_gwei: (n,). competition: (n,) log eagerness of other searchers, in standard deviations.
        base, quote: (n, m) reserves at the end of the step, whole tokens. volume: (n, m) traded in the step, quote.
    """

    efficient: Floats
    sigma: Floats
    nerves: Floats
    gas_gwei: Floats
    competition: Floats
    base: Floats
    quote: Floats
    volume: Floats


@dataclass(frozen=True, slots=True)
class Weather:
    """What no trader decides, in one step; fields as in `Market`."""

    efficient: float
    sigma: float
    nerves: float
    gas_gwei: float
    competition: float


def run(config: SimulatorConfig, shocks: Shocks) -> Market:
    """Return the market that the settings and the random numbers make."""
    n, m = config.steps, len(config.venues)
    market = Market(*(np.empty(n) for _ in fields(Weather)), *(np.empty((n, m)) for _ in range(3)))
    pools = Pools(
        config.pair,
        [venue.name for venue in config.venues],
        [venue.fee_bps for venue in config.venues],
        [venue.reserve_quote for venue in config.venues],
        config.price.start,
    )
    people = _People(config, pools)
    steps = zip(
        _weather(config, shocks),
        _rows(shocks.trade, shocks.side, shocks.trade_size, shocks.informed, shocks.informed_part, shocks.liquidity, shocks.liquidity_size),
        _rows(shocks.cross, shocks.cross_part),
        strict=True,
    )
    for k, (weather, by_venue, (cross, cross_part)) in enumerate(steps):
        pools.start_step()
        people.act(weather, by_venue, cross, cross_part)
        market.efficient[k], market.sigma[k], market.nerves[k] = weather.efficient, weather.sigma, weather.nerves
        market.gas_gwei[k], market.competition[k] = weather.gas_gwei, weather.competition
        market.base[k], market.quote[k], market.volume[k] = pools.base, pools.quote, pools.volume
    return market


def _weather(config: SimulatorConfig, shocks: Shocks) -> Iterator[Weather]:
    """Yield efficient price, volatility, gas and competition, step by step."""
    step, price, gas = config.step_s, config.price, config.gas
    usual = price.volatility_annual * math.sqrt(step / YEAR_S)
    keep, noise = _autoregression(step, price.volatility_half_life_s, price.volatility_of_volatility)
    gas_keep, gas_noise = _autoregression(step, gas.half_life_s, gas.spread)
    spike_keep, _ = _autoregression(step, gas.spike_half_life_s, 0.0)
    eager_keep, eager_noise = _autoregression(step, config.competition.half_life_s, 1.0)
    jump_rate, spike_rate = price.jumps_per_day * step / DAY_S, gas.spikes_per_day * step / DAY_S
    kick = JUMP_NERVES * price.volatility_of_volatility
    kicks_mean = jump_rate * kick / (1 - keep)
    log_price, nerves, calm_gas, spike, competition = math.log(price.start), 0.0, 0.0, 0.0, 0.0
    rows = _rows(
        shocks.returns, shocks.volatility, shocks.jump, shocks.jump_size, shocks.gas, shocks.spike, shocks.spike_size, shocks.competition
    )
    for k, (shock, vol_z, jump, jump_z, gas_z, spike_u, spike_size, eager_z) in enumerate(rows):
        nerves = keep * nerves + noise * vol_z
        day = (config.start_ts_ms / 1000 + k * step) / DAY_S
        swing = 1.0 + price.day_swing * math.cos(2.0 * math.pi * (day - 15 / 24))
        sigma = usual * swing * math.exp(nerves - kicks_mean)
        log_price += sigma * shock
        if jump < jump_rate:
            log_price += price.jump_bps / 1e4 * jump_z
            nerves += kick
        calm_gas = gas_keep * calm_gas + gas_noise * gas_z
        spike *= spike_keep
        if spike_u < spike_rate * math.exp(nerves):
            spike = min(spike + gas.spike_log * spike_size, LONGEST_SPIKE)
        competition = eager_keep * competition + eager_noise * eager_z
        gwei = gas.mean_gwei * math.exp(calm_gas + spike + gas.volatility_link * (nerves - kicks_mean))
        yield Weather(math.exp(log_price), sigma, nerves - kicks_mean, gwei, competition)


class _People:
    """Everybody who moves the pools: those who must swap, those who know the price, liquidity providers, searchers."""

    def __init__(self, config: SimulatorConfig, pools: Pools) -> None:
        step = config.step_s
        self._config, self._pools = config, pools
        self._trades = [venue.trades_per_minute * step / 60 for venue in config.venues]
        self._trade_quote = [venue.trade_quote for venue in config.venues]
        self._looks = [step / venue.reaction_s for venue in config.venues]
        self._deposits = config.liquidity_changes_per_hour * step / 3600
        self._searches = step / config.competition.reaction_s
        self._depth = [0.0] * len(pools)  # log of each venue's depth over that at the start, apart from fees earned

    def act(self, weather: Weather, by_venue: tuple[list[float], ...], cross: float, cross_part: float) -> None:
        """Let everybody act once, venue by venue, then the searchers who close gaps between venues."""
        speed = math.exp(self._config.competition.eagerness * weather.competition)
        for venue, (trade, side, size, informed, informed_part, liquidity, liquidity_size) in enumerate(zip(*by_venue, strict=True)):
            if liquidity < self._deposits:
                self._provide(venue, weather, liquidity_size)
            if trade < -math.expm1(-self._trades[venue] * math.exp(0.5 * weather.nerves)):
                self._swap(venue, side, size)
            if informed < -math.expm1(-self._looks[venue] * speed):
                self._pools.pull(venue, weather.efficient, part=0.5 + 0.5 * informed_part)
        if cross < -math.expm1(-self._searches * speed):
            self._pools.close_gap(self._config.competition.margin_bps, part=0.3 + 0.6 * cross_part)

    def _provide(self, venue: int, weather: Weather, size: float) -> None:
        # half way to a new level; providers leave nervous markets
        change = 0.5 * (self._config.liquidity_spread * (size - weather.nerves) - self._depth[venue])
        self._depth[venue] += change
        self._pools.deposit(venue, change)

    def _swap(self, venue: int, side: float, size: float) -> None:
        # nobody swaps more than a fifth of a pool: what looks like more is split over venues we do not see
        quote = min(self._trade_quote[venue] * math.exp(size), 0.2 * self._pools.quote[venue])
        if side < 0.5:
            self._pools.buy(venue, quote)
        else:
            self._pools.sell(venue, quote / self._pools.price(venue))


def _autoregression(step_s: float, half_life_s: float, spread: float) -> tuple[float, float]:
    """Return (kept part, noise) of one step of an autoregression with this half-life and stationary standard deviation."""
    keep = 0.5 ** (step_s / half_life_s)
    return keep, spread * math.sqrt(1 - keep**2)


def _rows(*columns: Floats) -> Iterator[tuple[Any, ...]]:
    """Yield the rows as plain floats, or lists of them where a column has one for each venue; a chunk at a time, for memory."""
    for start in range(0, len(columns[0]), _CHUNK):
        yield from zip(*(column[start : start + _CHUNK].tolist() for column in columns), strict=True)
