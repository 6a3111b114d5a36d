"""ML against the rule on simulated markets that nobody looked at before: `python -m benchmarks.study`; writes docs/study.md.

Each market is one seed. The scorer is trained on what was known before the test period, gated as always, and then decides on
the test period, beside the rule (send whatever pays after fees, price impact and gas) and beside an oracle that knows the true
probabilities. All meet the same ticks and the same fate.
"""

import argparse
import json
import math
import multiprocessing
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from arbml.backtest import Wake
from arbml.backtest.bot_strategy import BotStrategy
from arbml.backtest.comparative import Contender, run_comparative
from arbml.backtest.comparison import Comparison
from arbml.backtest.engine import Backtester
from arbml.backtest.oracle import OracleStrategy
from arbml.backtest.retraining import HOUR_MS, Schedule, WalkForward
from arbml.backtest.strategy import RuleStrategy
from arbml.backtest.tape import make_tape
from arbml.backtest.tuning import best_floor
from arbml.clock import SystemClock, iso, stopwatch_s
from arbml.collectors.simulator import SimulatedFate, Simulator, SimulatorConfig
from arbml.config import Config, changed

ROOT = Path(__file__).parents[1]
SEEDS = tuple(range(7001, 7011))  # never used in development
TRAINED_H, TESTED_H = 48, 24
CONFIDENCE = 0.95

RULE, TUNED, ML, BOTH, HOLD, EAGER = "rule", "tuned rule", "ML", "ML above the floor", "ML, else hold", "ML, any confidence"
ORACLE, CHOOSY = "oracle", "tuned oracle"
HEAD = " | attempts rule, ML | reverts' gas rule, ML, USDC |"
MEANING = {
    RULE: "sends whatever has a positive net profit; ML off",
    TUNED: f"as the rule, above the floor that earned most in the {TESTED_H} h before the test (`arbml.backtest.tuning`)",
    ML: "the default: the scorer decides, and where it abstains the rule does (ML_BOT__WITHOUT_ML=rule)",
    BOTH: "as ML, above the floor of the tuned rule (ML_BOT__MIN_PROFIT)",
    HOLD: "where the scorer abstains, nothing is sent (ML_BOT__WITHOUT_ML=hold)",
    EAGER: "as ML, with ML_CONFIDENCE_THRESHOLD=0: a positive expected profit is enough",
    ORACLE: "knows the true probability of each attempt, and sends what has a positive true expectation; it is greedy, and does not "
    "leave a small edge now for a larger one later, so that it can be beaten",
    CHOOSY: "as the oracle, above a floor on the true expectation that was tuned on the day before, too",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One strategy on one market; money in USDC."""

    seed: int
    arm: str
    net_profit: float
    attempts: int
    successes: int
    gas_on_reverts: float
    promoted: bool
    brier: float | None


def one_market(seed: int, trained_h: float = TRAINED_H, tested_h: float = TESTED_H) -> list[Row]:
    """Train on the first part of a market, and run every strategy on the last."""
    config = Config()
    simulator = Simulator(SimulatorConfig(seed=seed, hours=trained_h + tested_h), config.costs)
    ticks = pd.concat(list(simulator.ticks()), ignore_index=True)
    executions = pd.concat(list(simulator.executions()), ignore_index=True)
    start_ms = simulator.config.start_ts_ms + int(trained_h * HOUR_MS)
    end_ms = start_ms + int(tested_h * HOUR_MS)
    fate = SimulatedFate(simulator)
    with tempfile.TemporaryDirectory(prefix="arbml-study-") as folder:
        walk = WalkForward(ticks, executions, config, Schedule({"scorer": 24.0 * 365}), Path(folder), start_ms, end_ms)
        tester, before_ms = Backtester(config.costs, config.backtest, fate), start_ms - int(tested_h * HOUR_MS)
        tape = make_tape(ticks)
        floor = best_floor(tester, tape, lambda least: _rule(config, least), before_ms, start_ms)
        wise = best_floor(tester, tape, lambda least: _oracle(config, fate, least), before_ms, start_ms)
        done = run_comparative(
            tape, _contenders(config, walk, fate, floor, wise), lambda: Backtester(config.costs, config.backtest, fate),
            start_ms=start_ms, end_ms=end_ms, rules=config.promotion, seed=config.training.seed,
        )  # fmt: skip
        promoted = any(one.promoted for one in walk.trainings(start_ms))
    return _rows(seed, done, promoted)


def _rule(config: Config, floor: float) -> RuleStrategy:
    return RuleStrategy(config.costs, floor, max_age_ms=config.bot.max_pool_age_ms)


def _oracle(config: Config, fate: SimulatedFate, floor: float) -> OracleStrategy:
    return OracleStrategy(config.costs, fate, config.bot.max_pool_age_ms, floor)


def _contenders(config: Config, walk: WalkForward, fate: SimulatedFate, floor: float, wise: float) -> list[Contender]:
    hold = changed(config, bot=changed(config.bot, without_ml="hold"))
    both = changed(config, bot=changed(config.bot, min_profit=floor))
    eager = changed(config, scorer=changed(config.scorer, confidence_threshold=0.0))

    def bot(name: str, how: Config, bundles: WalkForward | None) -> BotStrategy:
        return BotStrategy(name, how, ("USDC",), bundles, ("scorer",) if bundles else (), wakes=Wake.EDGE)

    return [
        Contender(ML, "ml", lambda: bot(ML, config, walk)),
        Contender(RULE, "rule", lambda: bot(RULE, config, None)),
        Contender(TUNED, "other", lambda: _rule(config, floor)),
        Contender(BOTH, "other", lambda: bot(BOTH, both, walk)),
        Contender(HOLD, "other", lambda: bot(HOLD, hold, walk)),
        Contender(EAGER, "other", lambda: bot(EAGER, eager, walk)),
        Contender(ORACLE, "oracle", lambda: _oracle(config, fate, 0.0)),
        Contender(CHOOSY, "other", lambda: _oracle(config, fate, wise)),
    ]


def _rows(seed: int, done: Comparison, promoted: bool) -> list[Row]:
    return [
        Row(
            seed, arm.name, arm.metrics.net_profit, arm.metrics.attempts, arm.metrics.successes, arm.metrics.gas_on_reverts,
            promoted, arm.metrics.brier,
        )
        for arm in done.arms
    ]


@dataclass(frozen=True, slots=True)
class Gain:
    """What an arm made above another, market by market: mean, its two-sided t interval, and in how many markets it was more."""

    arm: str
    against: str
    mean: float
    low: float
    high: float
    better: int
    n: int


def gain(table: pd.DataFrame, arm: str, against: str) -> Gain:
    """Return the mean difference of net profit over the markets (columns are arms, rows are seeds), USDC.

    >>> gain(pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [0.0, 0.0, 0.0]}), "a", "b").mean
    2.0
    """
    differences = (table[arm] - table[against]).to_numpy(np.float64)
    n = len(differences)
    half = float(student.ppf(0.5 + CONFIDENCE / 2, n - 1)) * float(differences.std(ddof=1)) / math.sqrt(n) if n > 1 else math.nan
    mean = float(differences.mean())
    return Gain(arm, against, mean, mean - half, mean + half, int((differences > 0).sum()), n)


def page(rows: Sequence[Row], command: str) -> str:
    """Return the page for people."""
    df = pd.DataFrame(rows)
    table = df.pivot_table(index="seed", columns="arm", values="net_profit", sort=True)
    gains = [gain(table, arm, RULE) for arm in (ML, BOTH, EAGER, HOLD, TUNED, CHOOSY, ORACLE)]
    ml, attainable, tuned = gains[0], gains[-1], [gain(table, arm, TUNED) for arm in (ML, BOTH, CHOOSY)]
    lines = [
        "# ML against the rule, on markets nobody looked at",
        "",
        f"{len(table)} simulated markets (seeds {table.index.min()} to {table.index.max()}, never used in development), {TRAINED_H} h",
        f"to train on and the {TESTED_H} h after them to trade in. All strategies meet the same ticks, the same fate of attempts (drawn",
        "with the true probability by the random number of the moment) and the impact of their own trades. Amounts are USDC, after fees,",
        f"price impact, gas and reverts, on a capital of {Config().backtest.capital:,.0f}.",
        "",
        f"Command: `{command}`. Date: {iso(SystemClock().now_ms())[:10]}.",
        "",
        "## In a sentence",
        "",
        _sentence(ml, attainable, tuned, table),
        "",
        "## Differences to the rule, by market",
        "",
        "| strategy | mean gain, USDC a day | 95 % t interval | better in | mean net profit, USDC a day |",
        "|---|---:|---:|---:|---:|",
        *(
            f"| {g.arm} | {g.mean:+,.2f} | {g.low:+,.2f} to {g.high:+,.2f} | {g.better} of {g.n} | {table[g.arm].mean():,.2f} |"
            for g in gains
        ),
        f"| {RULE} | | | | {table[RULE].mean():,.2f} |",
        "",
        *(
            f"- {g.arm} against the tuned rule: {g.mean:+,.2f} USDC a day ({g.low:+,.2f} to {g.high:+,.2f}; better in {g.better} of {g.n})."
            for g in tuned
        ),
        "",
        "## Every market",
        "",
        "| seed | scorer promoted | " + " | ".join(f"{arm}, USDC" for arm in MEANING) + HEAD,
        "|---:|---|" + "---:|" * (len(MEANING) + 2),
        *(_market(seed, df, table) for seed in table.index),
        "",
        "## Who is who",
        "",
        *(f"- **{name}** {meaning}." for name, meaning in MEANING.items()),
    ]
    return "\n".join(lines) + "\n"


def _sentence(ml: Gain, attainable: Gain, tuned: Sequence[Gain], table: pd.DataFrame) -> str:
    if ml.low > 0:
        verdict = f"ML earned more than the rule: {ml.mean:+,.2f} USDC a day"
    elif ml.high < 0:
        verdict = f"ML earned less than the rule: {ml.mean:+,.2f} USDC a day"
    else:
        verdict = f"ML earned neither more nor less than the rule by more than chance: {ml.mean:+,.2f} USDC a day"
    of_profit = f"the rule made {table[RULE].mean():,.2f}"
    oracle = f"Knowing the true probabilities would add {attainable.mean:+,.2f} ({attainable.low:+,.2f} to {attainable.high:+,.2f})"
    part = f", of which ML attained {ml.mean / attainable.mean:.0%}" if attainable.mean > 0 else ""
    told = f"{verdict} (95 % interval {ml.low:+,.2f} to {ml.high:+,.2f}), where {of_profit}. {oracle}{part}."
    return f"{told} {_beside_tuning(*tuned)}"


def _beside_tuning(ml: Gain, both: Gain, wise: Gain) -> str:
    """Say whether a threshold that anybody can tune does the same."""
    words = []
    for gained, what in ((ml, "ML"), (both, "ML above the same floor")):
        more = "more than" if gained.low > 0 else "less than" if gained.high < 0 else "neither more nor less, by more than chance, than"
        words.append(f"{what} earned {more} the tuned rule ({gained.mean:+,.2f}, {gained.low:+,.2f} to {gained.high:+,.2f})")
    room = f"Knowing the true probabilities, tuned alike, would add {wise.mean:+,.2f} ({wise.low:+,.2f} to {wise.high:+,.2f}) to it."
    told = f"But a threshold on the net profit, tuned on the day before and without any model, is the harder rival: {'; '.join(words)}."
    return f"{told} {room}"


def _market(seed: int, df: pd.DataFrame, table: pd.DataFrame) -> str:
    of_seed = df[df["seed"] == seed].set_index("arm")
    money = " | ".join(f"{table.loc[seed, arm]:,.2f}" for arm in MEANING)
    attempts = f"{of_seed.loc[RULE, 'attempts']}, {of_seed.loc[ML, 'attempts']}"
    gas = f"{of_seed.loc[RULE, 'gas_on_reverts']:,.2f}, {of_seed.loc[ML, 'gas_on_reverts']:,.2f}"
    return f"| {seed} | {'yes' if of_seed['promoted'].iloc[0] else 'no'} | {money} | {attempts} | {gas} |"


def main(arguments: Sequence[str]) -> int:
    """Run the markets, write the page and its numbers."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.study", description=__doc__)
    parser.add_argument("--seeds", default=f"{SEEDS[0]}-{SEEDS[-1]}", help="first-last")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--to", type=Path, default=ROOT / "docs" / "study.md")
    given = parser.parse_args(arguments)
    first, _, last = given.seeds.partition("-")
    seeds = range(int(first), int(last or first) + 1)
    began_s, rows = stopwatch_s(), []
    with multiprocessing.get_context("spawn").Pool(given.processes) as pool:
        for found in pool.imap(one_market, seeds):
            rows += found
            said = ", ".join(f"{row.arm} {row.net_profit:,.2f} in {row.attempts}" for row in found)
            print(f"seed {found[0].seed}: {said} ({stopwatch_s() - began_s:.0f} s)", flush=True)
    given.to.write_text(page(rows, " ".join(["python -m benchmarks.study", *arguments])))
    numbers: list[dict[str, Any]] = [{name: getattr(row, name) for name in Row.__dataclass_fields__} for row in rows]
    given.to.with_suffix(".json").write_text(json.dumps(numbers, indent=1) + "\n")
    print(f"{given.to}: {len(seeds)} markets in {stopwatch_s() - began_s:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
