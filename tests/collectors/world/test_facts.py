"""The world looks like a market: stylised facts, each with where its bounds are from."""

from functools import cache

import numpy as np
import numpy.typing as npt
import pytest

from arbml.collectors.simulator.world import (
    ChainSettings,
    DemandSettings,
    PoolSettings,
    ProviderSettings,
    RivalSettings,
    World,
    WorldConfig,
    WorldPriceSettings,
)
from arbml.collectors.simulator.world.kernels import columns

Floats = npt.NDArray[np.float64]
SEEDS, DAYS = (1, 2, 3, 4), 10


@cache
def minutes(seed: int) -> World:
    """Ten days, seen each minute."""
    return World(WorldConfig(seed=seed, hours=24 * DAYS, interval_ms=60_000))


def efficient(seed: int) -> Floats:
    """Efficient log-returns of WETH in a minute."""
    returns: Floats = np.diff(minutes(seed).history.seen.token[:, 1])
    return returns


def shown(seed: int, step: int = 1) -> Floats:
    """Log-returns that the deepest pool shows, over `step` minutes."""
    returns: Floats = np.diff(2.0 * np.log(minutes(seed).history.seen.root[::step, 0]))
    return returns


def autocorrelation(x: Floats, lag: int) -> float:
    x = x - x.mean()
    return float((x[lag:] * x[:-lag]).mean() / x.var())


def test_returns_have_fat_tails() -> None:
    """Excess kurtosis of five-minute returns is far above 0 (Cont 2001, table 1: 16 for S&P futures, 74 for the dollar against the Mark),
    and the tail index between 2 and 5 ("higher than two and less than five for most data sets", fact 2).
    """
    for returns in ([shown(seed, 5) for seed in SEEDS], [efficient(seed) for seed in SEEDS]):
        kurtosis = [float((((r - r.mean()) / r.std()) ** 4).mean()) - 3.0 for r in returns]
        assert 4.0 < np.mean(kurtosis) < 80.0
    tails = []
    for seed in SEEDS:  # Hill 1975, on the largest percent
        large = np.sort(np.abs(efficient(seed)))[::-1][: 24 * 60 * DAYS // 100]
        tails.append(1.0 / np.mean(np.log(large / large[-1])))
    assert 2.0 < np.mean(tails) < 5.0


def test_tails_become_thinner_over_longer_times() -> None:
    """Aggregational Gaussianity (Cont 2001, fact 4)."""
    def kurtosis(step: int) -> float:
        sums = [efficient(seed)[:14_040].reshape(-1, step).sum(axis=1) for seed in SEEDS]
        return float(np.mean([(((r - r.mean()) / r.std()) ** 4).mean() for r in sums]))

    assert kurtosis(1) > kurtosis(60) > kurtosis(360)


def test_returns_do_not_tell_the_next_ones() -> None:
    """Linear autocorrelations are insignificant but within some 20 minutes, where the microstructure shows (Cont 2001, fact 1)."""
    for lag in (1, 2, 5, 30):
        assert abs(np.mean([autocorrelation(efficient(seed), lag) for seed in SEEDS])) < 0.03
    assert abs(np.mean([autocorrelation(shown(seed, 30), 1) for seed in SEEDS])) < 0.06
    # a pool shows a new efficient price late, in steps of its fee
    assert 0.0 < np.mean([autocorrelation(shown(seed), 1) for seed in SEEDS]) < 0.3


def test_volatility_clusters_and_is_slow_to_forget() -> None:
    """Autocorrelations of absolute returns are positive and decay slowly, as a power with an exponent of 0.2 to 0.4 (Cont 2001, fact 8)."""
    lags = np.array([1, 2, 5, 10, 20, 50, 100, 200])
    acf = np.mean([[autocorrelation(np.abs(efficient(seed)), int(lag)) for lag in lags] for seed in SEEDS], axis=0)
    assert 0.15 < acf[0] < 0.6
    assert (acf > 0.05).all()
    exponent = -np.polyfit(np.log(lags), np.log(acf), 1)[0]
    assert 0.1 < exponent < 0.5
    # an exponential that starts at the same height and loses as much in the first ten minutes would be gone long before
    assert acf[-1] > 2.0 * acf[0] * (acf[3] / acf[0]) ** (200 / 9)


def test_returns_of_tokens_go_together() -> None:
    """Daily and intraday correlations of bitcoin and ether lie between 0.6 and 0.9 in 2021 to 2024 (e.g. Kaiko, Coin Metrics)."""
    seen = [np.diff(minutes(seed).history.seen.token[::5, 1:], axis=0) for seed in SEEDS]
    correlation = np.mean([np.corrcoef(r.T) for r in seen], axis=0)
    assert 0.6 < correlation[0, 1] < 0.9
    assert 0.4 < correlation[0, 2] < correlation[0, 1]


def test_afternoons_are_wilder_than_nights() -> None:
    """Crypto volatility and volume peak in European and American trading hours (Eross et al. 2019, Finance Research Letters 30)."""
    by_hour = np.mean([np.abs(efficient(seed))[: 24 * 60 * DAYS - 60].reshape(-1, 60).mean(axis=1) for seed in SEEDS], axis=0)
    hour = np.arange(len(by_hour)) % 24
    assert by_hour[(hour >= 12) & (hour < 18)].mean() > 1.2 * by_hour[hour < 6].mean()
    traded = [minutes(seed).history.seen.volume[: 24 * 60 * (DAYS - 1), 0] for seed in SEEDS]
    volume = np.mean(traded, axis=0).reshape(-1, 60).sum(axis=1)
    hour = np.arange(len(volume)) % 24
    assert volume[(hour >= 12) & (hour < 18)].mean() > volume[hour < 6].mean()


def test_pools_stay_in_the_no_arbitrage_band() -> None:
    """Arbitrageurs leave a pool alone within its fee of the outside price, and trade it back to there (Milionis, Moallemi and Roughgarden
    2023, arXiv 2305.14604); gas widens the band (section 6). Two pools of one pair then differ by at most the sum of their bands.
    """
    for seed in SEEDS:
        world, seen = minutes(seed), minutes(seed).history.seen
        off = []
        for p, pool in enumerate(world.config.pools):
            base, quote = (int(world.history.rules.pool[p, one]) for one in (columns.BASE, columns.QUOTE))
            gap = 1e4 * np.abs(2.0 * np.log(seen.root[:, p]) - seen.token[:, base] + seen.token[:, quote])
            off.append(gap)
            assert np.median(gap) < 1.25 * pool.fee_bps
            assert np.percentile(gap, 99) < 6.0 * pool.fee_bps + 5.0
        deep = (off[0] <= 1.2 * world.config.pools[0].fee_bps).mean()
        assert deep > 0.75
        between = 2e4 * np.abs(np.log(seen.root[:, 0] / seen.root[:, 1]))
        assert (between <= 10.0).mean() > 0.95
        assert np.median(between) > 0.5


@pytest.mark.parametrize("fee_bps", [2.0, 5.0, 20.0])
def test_how_often_a_pool_is_arbitraged_is_what_the_theory_says(fee_bps: float) -> None:
    """Milionis, Moallemi and Roughgarden 2023, theorem 1: with arbitrageurs who act in each block, no gas and nobody else, a block has a
    trade with probability 1 / (1 + sqrt(2) x fee / (sigma x sqrt(block time))). That is for Poisson blocks; with blocks in steady steps
    the sum of Gaussian steps overshoots by 0.583 sigma (Chernoff 1965) in place of 0.707, so the band looks a little wider.
    """
    quiet, annual = WorldPriceSettings(fast_spread=0, slow_spread=0, day_swing=0, jumps_per_day=0, tail_degrees=50), 0.8
    calm = DemandSettings(spread=0, volatility_link=0, block_noise=0, rushes_per_day=0)
    chains = tuple(
        ChainSettings(chain_id=one, block_s=12, base_fee_gwei=1e-6, tip_gwei=1e-6, miss_share=0, margin_usd=1.0) for one in (1, 2)
    )
    pools = tuple(
        PoolSettings(
            venue=f"pool{one}", chain_id=one, pair="WETH/USDC", kind="v2", fee_bps=fee_bps, value_usd=1e8, trades_per_minute=0,
            trade_usd=1, informed_s=1e-3, latency_ms=100,
        ) for one in (1, 2)
    )  # fmt: skip
    token = WorldConfig().tokens[0].model_copy(update={"volatility_annual": annual})
    world = World(WorldConfig(
        seed=4, hours=24 * 4, interval_ms=12_000, tokens=(token,), chains=chains, pools=pools, prices=quiet, demand=calm,
        providers=ProviderSettings(changes_per_hour=0), rivals=RivalSettings(count=0),
    ))  # fmt: skip
    blocks = world.config.steps
    traded = world.history.end.chain[:, columns.INFORMED] / blocks
    sigma = annual * np.sqrt(12.0 / (365 * 24 * 3600.0))
    theory = 1.0 / (1.0 + np.sqrt(2.0) * (fee_bps / 1e4) / sigma)
    assert traded.mean() == pytest.approx(theory, rel=0.15)
    assert (np.diff(world.history.seen.root[:, 0]) != 0).mean() == pytest.approx(traded[0], abs=0.002)


def test_rivals_trade_and_revert_as_such_people_do() -> None:
    """Cyclic arbitrage contracts take more than half of the gas of two rollups, many attempts trading nothing (arXiv 2506.14768), and
    80 % of what reverts on rollups are swaps (arXiv 2506.01462); on mainnet 292 606 cycles were traded in 11 months, some 880 a day
    (Wang et al. 2021, arXiv 2105.02784), over all pools.
    """
    counts = np.mean([minutes(seed).history.end.chain for seed in SEEDS], axis=0) / DAYS
    sent, reverted = counts[:, columns.SENT], counts[:, columns.REVERTED]
    assert ((reverted / sent > 0.15) & (reverted / sent < 0.85)).all()
    assert 50 < sent[0] - reverted[0] < 900
    assert (counts[:, columns.INFORMED] > sent).all()  # those who know the price of an exchange are first, most of the time


def test_wide_gaps_close_sooner_in_eager_times() -> None:
    seen = [minutes(seed).history.seen for seed in SEEDS]
    gap = np.concatenate([np.abs(np.log(one.root[:, 6] / one.root[:, 7])) for one in seen])
    eager = np.concatenate([one.eager[:, 1] for one in seen])
    low, high = np.percentile(eager, [20, 80])
    assert np.percentile(gap[eager > high], 90) < np.percentile(gap[eager < low], 90)
