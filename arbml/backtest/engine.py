"""The backtest: recorded ticks told in the order of knowing to a strategy, and its orders met by what came after."""

import numpy as np

from arbml.backtest.buffers import Buffers
from arbml.backtest.desk import FAR, Desk
from arbml.backtest.exchange import Exchange, Fate
from arbml.backtest.impact import Impacts
from arbml.backtest.inventory import InventoryWallet
from arbml.backtest.ledger import IN_FLIGHT, Ledger, to_tokens
from arbml.backtest.results import BacktestResult, EquityPoint, Trade, frame_of
from arbml.backtest.strategy import Strategy, Wake
from arbml.backtest.tape import Reader, Tape, make_tape
from arbml.backtest.view import MarketView
from arbml.backtest.wallet import AtomicWallet, Wallet
from arbml.config import BacktestConfig, CostsConfig
from arbml.errors import ConfigError, DataError
from arbml.frames import TickFrame
from arbml.labels import moments


class Backtester:
    """Runs strategies over recorded ticks; each run stands for itself.

    Args:
        costs: gas, amounts and the inclusion delay, as the finder takes them.
        config: everything else that is assumed.
        fate: decides what becomes of attempts, where the world itself says so.
    """

    def __init__(self, costs: CostsConfig, config: BacktestConfig, fate: Fate | None = None) -> None:
        self._costs, self._config, self._fate = costs, config, fate

    def run(
        self, ticks: TickFrame | Tape, strategy: Strategy, start_ms: int | None = None, end_ms: int | None = None
    ) -> BacktestResult:
        """Run one strategy.

        Args:
            ticks: in any order; or what `make_tape` made of them, so that several runs check and sort them once.
            strategy: fresh; it decides at moments from `start_ms` until before `end_ms`.
            start_ms, end_ms: UTC ms. What was known before the start is observed first; what comes after the end only settles
                what is under way.

        Raises:
            SchemaError: for ticks that are none. ConfigError: if the token of the routes is not clear, the period is empty,
                or the price of gas is unknown. DataError: for an order that cannot be sent, naming strategy and field.
        """
        wakes = _wakes(strategy)
        tape = ticks if isinstance(ticks, Tape) else make_tape(ticks)
        period = (-FAR if start_ms is None else start_ms, FAR if end_ms is None else end_ms)
        if not period[0] < period[1]:
            raise ConfigError(f"the backtest would end at {end_ms}, before it starts at {start_ms}; both are UTC ms")
        return _Run(tape, self._costs, self._config, self._fate, strategy, (wakes, *period)).result()


class _Run:
    """One strategy on one tape."""

    def __init__(
        self, tape: Tape, costs: CostsConfig, config: BacktestConfig, fate: Fate | None, strategy: Strategy, limits: tuple[int, int, int]
    ) -> None:
        from arbml.backtest import scan  # compiles, or loads what was compiled: not at import

        self._scan, self._tape, self._costs, self._config, self._strategy = scan, tape, costs, config, strategy
        self._fated = fate is not None
        self._buffers = Buffers()
        self._impacts = Impacts(config.impact_half_life_s)
        token = _token(tape, config)
        first = moments(tape.known_ms[:1], config.step_ms)
        wakes, start_ms, end_ms = limits
        self._first_ms = max(int(first[0]) if len(tape) else 0, start_ms)
        self._ledger = Ledger(token)
        self._wallet = self._make_wallet()
        self._view = MarketView(token, self._buffers)
        exchange = Exchange(tape, costs, config, self._impacts, fate)
        self._desk = Desk(strategy.name, exchange, self._wallet, self._ledger, self._view, costs, config)
        self._cursor = np.zeros(scan.N_CURSOR, np.int64)
        self._cursor[scan.OPEN] = self._cursor[scan.CLOSED] = scan.NEVER
        self._limits = np.array([config.step_ms, wakes, FAR, FAR, start_ms, end_ms], np.int64)
        self._told, self._reader = 0, Reader(tape)
        self._met: list[tuple[str, float]] = []

    def result(self) -> BacktestResult:
        """Run it."""
        self._view.show(self._first_ms, self._wallet.free, 0)
        self._strategy.start(self._view)
        while not self._advance():
            pass
        return self._summary()

    def _advance(self) -> bool:
        """Go on to the next moment at which somebody must be asked, and ask; true at the end."""
        scan, cursor, tape = self._scan, self._cursor, self._tape
        self._desk.land(int(cursor[scan.OPEN]))
        self._limits[scan.DUE], self._limits[scan.BEFORE] = self._desk.next_known_ms, self._desk.next_landing_ms
        why = scan.scan(
            cursor, self._limits, tape.known_ms, tape.ts_ms, tape.log_index, tape.stream, tape.values,
            *self._buffers.arguments(), *self._impacts.arguments(),
        )  # fmt: skip
        if why == scan.NEW_STREAM:
            row = int(cursor[scan.ROW])
            name = tape.names[tape.stream[row]]
            self._buffers.add(name)
            self._impacts.meet()
            self._met.append((name, float(tape.values[0][row])))
            return False
        done, now_ms = bool(why & scan.DONE), int(cursor[scan.CLOSED])
        if done:
            self._desk.land(now_ms)
        if why & scan.WOKEN or self._desk.next_known_ms <= now_ms:
            self._ask(now_ms, decide=bool(why & scan.WOKEN))
        if done:
            self._desk.land(now_ms)  # what was decided just now, without any delay
            self._settle(now_ms)
        return done

    def _ask(self, now_ms: int, decide: bool) -> None:
        """Tell the strategy what became known, and let it decide."""
        if self._strategy.listens:
            self._tell()
        self._settle(now_ms)
        for name, price in self._met:
            self._wallet.meet(name, price, now_ms)
        self._met.clear()
        if not decide:
            return
        self._wallet.pass_time(now_ms)
        self._view.show(now_ms, self._wallet.free, self._desk.in_flight)
        orders = self._strategy.decide(now_ms)
        if not isinstance(orders, list | tuple):
            raise DataError(f"strategy '{self._strategy.name}': decide() must return a list of orders, not {type(orders).__name__}")
        for order in orders:
            self._desk.accept(order, now_ms)

    def _tell(self) -> None:
        """Hand over the ticks since the last call, as own trades have left them."""
        row, streams = int(self._cursor[self._scan.ROW]), self._tape.stream
        ticks = self._reader.take(self._told, row)
        if self._impacts:
            ticks = [self._impacts.tick(tick, int(streams[self._told + k])) for k, tick in enumerate(ticks)]
        self._told = row
        if ticks:
            self._strategy.observe(ticks)

    def _settle(self, now_ms: int) -> None:
        for execution in self._desk.settle(now_ms):
            self._view.show(now_ms, self._wallet.free, self._desk.in_flight)
            self._strategy.settle(execution)

    def _make_wallet(self) -> Wallet:
        if self._config.inventory is not None:
            return InventoryWallet(self._ledger, self._config, self._first_ms)
        return AtomicWallet(self._ledger, self._config.capital, self._first_ms)

    def _summary(self) -> BacktestResult:
        scan, cursor = self._scan, self._cursor.tolist()
        curve = self._ledger.curve
        end_ms = max(cursor[scan.LAST], curve[-1][0])
        self._desk.close(end_ms)
        curve = self._ledger.curve
        points = [*curve, (end_ms, self._ledger.equity, self._ledger.balance(IN_FLIGHT))]
        rows = [EquityPoint(ts_ms, to_tokens(all_), to_tokens(all_ - away), to_tokens(away)) for ts_ms, all_, away in points]
        return BacktestResult(
            name=self._strategy.name,
            token=self._ledger.token,
            capital=self._config.capital,
            start_ms=cursor[scan.FIRST],
            end_ms=cursor[scan.LAST],
            step_ms=self._config.step_ms,
            n_ticks=cursor[scan.TICKS],
            n_moments=cursor[scan.MOMENTS],
            n_opportunities=cursor[scan.EDGES],
            trades=frame_of(self._desk.trades, Trade),
            equity=frame_of(rows, EquityPoint),
            ledger=self._ledger,
            counts=dict(self._desk.counts),
            settings={"costs": self._costs.model_dump(), "backtest": self._config.model_dump()},
            notes=self._notes(),
        )

    def _notes(self) -> tuple[str, ...]:
        counts, notes = self._desk.counts, []
        if self._fated:
            own = "own trades move the pools that the bot sees"
            notes.append(f"the simulated world said what became of attempts: gas bids and competition are its own; {own}")
        if counts["unsettled"]:
            notes.append(f"{counts['unsettled']} orders were under way when the data ended; they are in no figure")
        if counts["dropped_max_open"]:
            notes.append(f"{counts['dropped_max_open']} orders were not sent: {self._config.max_open} under way already")
        if counts["dropped_capital"]:
            notes.append(f"{counts['dropped_capital']} orders were not sent: no capital was free for them")
        if counts["shrunk"]:
            notes.append(f"{counts['shrunk']} orders were cut to the capital that was free")
        if self._ledger.equity <= 0:
            notes.append("the capital was used up")
        return tuple(notes)


def _token(tape: Tape, config: BacktestConfig) -> str:
    """Return what routes start and end in."""
    if config.token is not None:
        return config.token
    quotes = sorted({name.rpartition("/")[2] for name in tape.names})
    if len(quotes) > 1:
        raise ConfigError(f"the pairs are quoted in {', '.join(quotes)}; set ML_BACKTEST__TOKEN to what routes start and end in")
    return quotes[0] if quotes else ""


def _wakes(strategy: Strategy) -> int:
    """Return how the event loop calls what the strategy wants."""
    for name in ("name", "wakes", "listens", "start", "observe", "decide", "settle"):
        if not hasattr(strategy, name):
            raise DataError(f"{type(strategy).__name__} is no strategy: it has no '{name}'; see arbml.backtest.Strategy")
    try:
        return {Wake.NONE: 0, Wake.EDGE: 1, Wake.ALL: 2}[Wake(strategy.wakes)]
    except ValueError:
        names = ", ".join(f"'{wake}'" for wake in Wake)
        raise DataError(f"strategy '{strategy.name}', wakes: {strategy.wakes!r} is none of {names}") from None
