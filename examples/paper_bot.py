"""A paper-trading bot on a simulated market: it finds, asks, decides, "executes", and reports what became of it.

    python examples/paper_bot.py --hours 2                            # without ML: whatever pays after costs is sent
    python examples/paper_bot.py --hours 2 --bundle models/bundle     # models in this process; `arbml run` makes the bundle
    ML_INFERENCE__CLOCK=ticks arbml serve                             # over HTTP: start this in another terminal
    python examples/paper_bot.py --hours 2 --url http://127.0.0.1:3000

No money, no chain, no network but for --url. The market is that of `arbml run` (same seed), two days later, which no model
has seen. Whether an attempt succeeds is decided by the simulated world: by the true odds of that moment, which neither the bot
nor the models are shown. Beside the bot trades another one, by the rule "send what pays after costs", in the same market and
with the same luck: the difference is what ML saved or cost. Neither moves the pools. Two hours say little: take a day or more.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from arbml.bot import Advisor, ArbitrageOrchestrator, EnhancedOpportunity, MLOrchestrator, ServiceClient
from arbml.clock import FixedClock, iso
from arbml.collectors.simulator import SimulatedFate, Simulator, SimulatorConfig
from arbml.config import Config, StoreConfig, changed
from arbml.errors import ArbmlError
from arbml.frames import frame_to_ticks
from arbml.market import Execution, Opportunity, Result, Tick
from arbml.settings import load_settings

TOKEN = "USDC"
TRAINED_HOURS = 48.0   # the market that a default `arbml run` learns from
WATCH_MS = 30 * 60_000  # only watched before the first trade
LONGEST_HOURS = 24 * 92


@dataclass
class Book:
    """What one bot sent, and what came of it. Money is in TOKEN."""

    name: str
    pause_ms: int
    sent: dict[str, Opportunity] = field(default_factory=dict)
    results: Counter[Result] = field(default_factory=Counter)
    profit: float = 0.0
    lost_gas: float = 0.0
    profits: dict[int, float] = field(default_factory=dict)  # by moment of sending
    free_at_ms: int = 0
    open: list[Execution] = field(default_factory=list)

    def send(self, opportunity: Opportunity, request_id: str, fate: SimulatedFate, delay_ms: int) -> None:
        """Send it now; the world decides, the bot learns of it when it has landed."""
        now_ms = opportunity.ts_ms
        landed_ms = now_ms + delay_ms
        result, profit = fate.outcome(opportunity, request_id, now_ms, landed_ms)
        self.sent[request_id] = opportunity
        self.profits[now_ms] = profit
        self.free_at_ms = now_ms + self.pause_ms
        self.open.append(Execution(
            ts_ms=now_ms, ts_known_ms=landed_ms, request_id=request_id, result=result, route=opportunity.route.name, profit=profit,
            profit_token=opportunity.token, gas_price_gwei=opportunity.gas_price_gwei, latency_ms=float(delay_ms), opportunity=opportunity,
        ))  # fmt: skip

    def landed(self, now_ms: int) -> list[Execution]:
        """Return what became known, and book it."""
        known = [execution for execution in self.open if execution.ts_known_ms <= now_ms]
        self.open = [execution for execution in self.open if execution.ts_known_ms > now_ms]
        for execution in known:
            profit = execution.profit or 0.0
            self.results[execution.result] += 1
            self.profit += profit
            self.lost_gas -= profit if execution.result is Result.REVERTED else 0.0
        return known


class PaperMarket:
    """The simulated market from some hour on, tick by tick in the order of knowing."""

    def __init__(self, seed: int, after_hours: float, hours: float, config: Config) -> None:
        settings = SimulatorConfig(seed=seed, hours=after_hours + hours)
        self._simulator = Simulator(settings, config.costs)
        self.fate = SimulatedFate(self._simulator)
        self.start_ms = settings.start_ts_ms + int(after_hours * 3_600_000)
        self.spacing_ms = int(settings.bot.spacing_s * 1000)
        self._interval_ms, self._reaction_ms = settings.interval_ms, settings.bot.reaction_ms
        self._steps = int(hours * 3_600_000 / settings.interval_ms)
        frame = pd.concat(self._simulator.ticks(), ignore_index=True)
        self._ticks = frame_to_ticks(frame[frame["ts_known_ms"] >= self.start_ms - WATCH_MS])

    def before(self) -> list[Tick]:
        """Return what was known before the first moment."""
        return [tick for tick in self._ticks if tick.ts_known_ms < self.start_ms]

    def moments(self) -> Iterator[tuple[int, list[Tick]]]:
        """Yield each moment of decision, UTC ms, with the ticks that became known since the last one."""
        place = len(self.before())
        for step in range(self._steps):
            now_ms = self.start_ms + step * self._interval_ms + self._reaction_ms
            new = place
            while new < len(self._ticks) and self._ticks[new].ts_known_ms <= now_ms:
                new += 1
            yield now_ms, self._ticks[place:new]
            place = new


def trade(market: PaperMarket, bot: ArbitrageOrchestrator, clock: FixedClock, mine: Book, rule: Book, delay_ms: int) -> Counter[str]:
    """Trade to the end of the market, and print what is sent; return how often which reason kept the bot from sending."""
    held_back: Counter[str] = Counter()
    clock.set(market.start_ms)
    bot.observe(market.before())
    now_ms = market.start_ms
    for now_ms, ticks in market.moments():
        clock.set(now_ms)
        report(bot, mine, rule, now_ms)
        bot.observe(ticks)
        found = bot.find_opportunities([TOKEN])  # those that pay after costs; what to send comes first
        if not found:
            continue
        by_rule = max(found, key=lambda one: one.opportunity.net_profit)
        if now_ms >= rule.free_at_ms:
            rule.send(by_rule.opportunity, by_rule.request_id, market.fate, delay_ms)
        if now_ms >= mine.free_at_ms:
            if found[0].execute:
                say_sent(found[0])
                mine.send(found[0].opportunity, found[0].request_id, market.fate, delay_ms)
            else:
                held_back[found[0].why.partition(":")[0]] += 1
    report(bot, mine, rule, now_ms + delay_ms)
    return held_back


def report(bot: ArbitrageOrchestrator, mine: Book, rule: Book, now_ms: int) -> None:
    """Tell the advisor what became of what was sent: that is what the next models learn from."""
    rule.landed(now_ms)
    for execution in mine.landed(now_ms):
        bot.record_outcome(execution)
        result, profit = execution.result.value, execution.profit or 0.0
        print(f"{iso(execution.ts_known_ms)[:19]}   {result:<9} {profit:+10.2f} {TOKEN}   so far {mine.profit:+,.2f}")


def say_sent(found: EnhancedOpportunity) -> None:
    """Print what is sent, and why."""
    opportunity, judged = found.opportunity, found.prediction
    odds = f"not judged ({found.why.partition(':')[0]})"
    if judged is not None and found.by_model:
        odds = f"{judged.success_probability:6.1%} likely, worth {judged.expected_profit:+.2f}"
    put_in = f"{opportunity.amount_in:,.0f} {opportunity.token}"
    print(f"{iso(opportunity.ts_ms)[:19]} > {opportunity.route.name}: {put_in}, pays {opportunity.net_profit:+.2f}; {odds}")


def table(books: Sequence[Book]) -> str:
    """Return the closing table."""
    rows = [
        ("sent", *(f"{len(book.sent):,}" for book in books)),
        ("  successes", *(f"{book.results[Result.SUCCESS]:,}" for book in books)),
        ("  never landed (cost nothing)", *(f"{book.results[Result.FAILED]:,}" for book in books)),
        ("  reverts", *(f"{book.results[Result.REVERTED]:,}" for book in books)),
        ("gas lost on reverts", *(f"{book.lost_gas:,.2f} {TOKEN}" for book in books)),
        ("profit after gas", *(f"{book.profit:,.2f} {TOKEN}" for book in books)),
        ("  for each that was sent", *(f"{book.profit / len(book.sent):,.2f} {TOKEN}" if book.sent else "-" for book in books)),
    ]
    head = ("", *(book.name for book in books))
    lines = [f"{name:<32}" + "".join(f"{value:>20}" for value in values) for name, *values in (head, *rows)]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def difference(mine: Book, rule: Book) -> str:
    """Return in words what ML saved or cost, and at which moments."""
    gain = mine.profit - rule.profit
    verdict = f"ML {'earned' if gain >= 0 else 'cost'} {abs(gain):,.2f} {TOKEN} {'more than' if gain >= 0 else 'against'} the rule:"
    by_rule = [profit for moment, profit in rule.profits.items() if moment not in mine.profits]
    by_ml = [profit for moment, profit in mine.profits.items() if moment not in rule.profits]
    same = len(mine.profits) - len(by_ml)
    parts = [
        f"at {len(by_rule):,} moments only the rule sent, which made {sum(by_rule):,.2f}",
        f"at {len(by_ml):,} only ML did, which made {sum(by_ml):,.2f}",
        f"at {same:,} both did, where ML made {gain - sum(by_ml) + sum(by_rule):+,.2f}",
    ]
    return "\n".join([verdict, *(f"  {part}" for part in parts)])


def closing(bot: ArbitrageOrchestrator, mine: Book, rule: Book, held_back: Counter[str]) -> str:
    """Return everything that the run has to say at its end."""
    stats = bot.get_stats()
    text = [f"\nlooked at {stats['found']:,} opportunities, {stats['pays']:,} of which pay after costs; {stats['asked']:,} were judged\n"]
    if not bot.ml_enabled:
        return "\n".join([*text, table([mine])])
    text += [table([mine, rule]), "", difference(mine, rule)]
    if held_back:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in held_back.most_common(6))
        text.append(f"moments at which it held back, by the first reason: {reasons}")
    if held_back["market_stale"]:
        text.append("market_stale: the service goes by the wall clock; start it with ML_INFERENCE__CLOCK=ticks for recorded ticks")
    waited = stats["waited_ms"]
    if waited["p50"] is not None:
        text.append(f"waited for a judgement: {waited['p50']:.1f} ms at the median, {waited['p99']:.1f} ms in the slowest of a hundred")
    return "\n".join([*text, *(f"problem: {problem}" for problem in stats["advisor"]["problems"])])


def make_advisor(options: argparse.Namespace, config: Config, clock: FixedClock) -> Advisor | None:
    """Return who judges, ready; None without ML."""
    advisor: Advisor | None = None
    if options.url:
        advisor = ServiceClient(changed(config.client, url=options.url), config.bot)
    elif options.bundle:
        # paper trades are no data to learn from: a journal of their own, and no store behind it
        apart = config.model_copy(update={"store": StoreConfig()})
        advisor = MLOrchestrator(options.bundle, apart, config.home_path / "paper", clock)
    if advisor is not None:
        advisor.initialize()
    return advisor


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=2.0, help="how long to trade, hours of the market (default 2)")
    parser.add_argument("--after", type=float, default=TRAINED_HOURS, help="hour of the market at which it begins (default 48)")
    parser.add_argument("--seed", type=int, default=42, help="which market (default 42, that of arbml run)")
    who = parser.add_mutually_exclusive_group()
    who.add_argument("--bundle", type=Path, help="folder of a bundle: judge in this process")
    who.add_argument("--url", help="of arbml serve: judge over HTTP")
    options = parser.parse_args(arguments)
    if not (options.hours > 0 and options.after >= 0 and options.hours + options.after <= LONGEST_HOURS):
        parser.error(f"--hours must be positive, --after not negative, and both together at most {LONGEST_HOURS}")
    if options.url is not None and not options.url.startswith(("http://", "https://")):
        parser.error(f"--url {options.url} is no URL; try http://127.0.0.1:3000")
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bot; return the exit code."""
    options = parse(arguments)
    try:
        config = load_settings()
        clock = FixedClock(0)
        print(f"making a market of {options.after + options.hours:g} h ...", flush=True)
        market = PaperMarket(options.seed, options.after, options.hours, config)
        clock.set(market.start_ms)
        advisor = make_advisor(options, config, clock)
        # the market waits for the bot here, and the run is repeatable; live, keep the limit of ML_BOT__MAX_WAIT_MS
        bot = ArbitrageOrchestrator(config.costs, changed(config.bot, max_wait_ms=0), clock, advisor)
        mine, rule = (Book(name, market.spacing_ms) for name in ("with ML" if advisor else "the rule, no ML", "the rule"))
        try:
            held_back = trade(market, bot, clock, mine, rule, config.costs.inclusion_delay_ms)
            print(closing(bot, mine, rule, held_back))
        finally:
            bot.close()
            if advisor is not None:
                advisor.close()
    except ArbmlError as error:
        print(f"paper_bot: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
