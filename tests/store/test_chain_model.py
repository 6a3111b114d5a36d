"""Any history of blocks and reorganisations reads, as of any time, as a naive list of what was believed says."""

import itertools
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from arbml.store import Appended, Store
from tests.store.units import Unit, unit

CHAINS = itertools.count(1_000)
NAMES = "abcdefghij"


@dataclass
class Held:
    """A block that was stored: until when it was believed, and whether its gas price stood for its moment."""

    unit: Unit
    first_of_moment: bool
    orphaned_ms: float = float("inf")

    def believed(self, t: float) -> bool:
        return self.unit.ts_known_ms <= t < self.orphaned_ms


class Model:
    """A list, searched from end to end."""

    def __init__(self, chain_id: int) -> None:
        self.chain_id, self.held, self.now_ms, self.name = chain_id, list[Held](), 10_000, itertools.count()

    def live(self) -> list[Unit]:
        return sorted((one.unit for one in self.held if one.orphaned_ms == float("inf")), key=lambda unit: unit.number)

    def grow(self, blocks: int, gap: int) -> list[Unit]:
        """The next blocks; each branch has its own name."""
        live, name, made = self.live(), NAMES[next(self.name) % len(NAMES)], []
        for i in range(blocks):
            tip = made[-1] if made else live[-1] if live else None
            number = 1 if tip is None else tip.number + (1 + gap if i == 0 else 1)
            parent = tip.hash if tip is not None and number == tip.number + 1 else "0xmissing"
            made.append(unit(number, name, parent, self.now_ms + i, self.chain_id))
        moments = {one.ts_ms for one in live}
        for one in made:
            self.held.append(Held(one, one.ts_ms not in moments))
            moments.add(one.ts_ms)
        return made

    def turn(self, depth: int) -> tuple[int, int]:
        """Orphan the last blocks; return the height that stays and how many went."""
        live = self.live()
        number = live[-depth - 1].number if depth < len(live) else 0
        gone = [one for one in self.held if one.orphaned_ms == float("inf") and one.unit.number > number]
        for one in gone:
            one.orphaned_ms = self.now_ms
        return number, len(gone)


GROW = st.tuples(st.just("grow"), st.integers(1, 4), st.integers(0, 1))
TURN = st.tuples(st.just("turn"), st.integers(1, 5), st.just(0))
AGAIN = st.tuples(st.just("again"), st.integers(1, 3), st.just(0))


def check(store: Store, model: Model, t: int | None) -> None:
    seen = sorted((one for one in model.held if one.believed(model.now_ms if t is None else t)), key=lambda one: one.unit.number)
    heights = [one.unit.number for one in seen]
    chain = model.chain_id
    blocks = store.chain.blocks(chain, as_of_ms=t)
    assert list(zip(blocks["number"], blocks["hash"], strict=True)) == [(one.unit.number, one.unit.hash) for one in seen]
    for frame in (store.chain.events(chain, as_of_ms=t), store.chain.states(chain, as_of_ms=t)):
        assert list(zip(frame["block_number"], frame["block_hash"], strict=True)) == [(one.unit.number, one.unit.hash) for one in seen]
    ticks = store.ticks.read(venues=[f"uniswap_{chain}"], as_of_ms=t)
    assert sorted(ticks["price"]) == sorted(one.unit.ticks["price"].iloc[0] for one in seen)
    assert sorted(ticks["block_number"]) == heights
    executions = store.executions.read(as_of_ms=t)["request_id"]
    assert sorted(name for name in executions if name.startswith(f"tx-{chain}-")) == \
        sorted(one.unit.executions["request_id"].iloc[0] for one in seen)
    gas = store.gas.read(chain_ids=[chain], as_of_ms=t)
    assert sorted(gas["gas_price_gwei"]) == [one.unit.number for one in seen if one.first_of_moment]


@pytest.mark.slow
@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(GROW | TURN | AGAIN, min_size=1, max_size=10), data=st.data())
def test_reads_as_of_any_time_are_what_was_believed_then(store: Store, steps: list[tuple[str, int, int]], data: st.DataObject) -> None:
    model = Model(next(CHAINS))
    for kind, n, gap in steps:
        if kind == "grow":
            assert store.chain.append_many(model.grow(n, gap)) == Appended(new=5 * n)
        elif kind == "turn" and model.live():
            number, gone = model.turn(n)
            assert store.chain.remove_above(model.chain_id, number, model.now_ms) == gone
        else:
            again = model.live()[-n:]
            assert store.chain.append_many(again) == Appended(known=5 * len(again))
        model.now_ms += 10
    check(store, model, None)
    live = model.live()
    assert store.chain.tip(model.chain_id) == ((live[-1].number, live[-1].hash) if live else None)
    for t in data.draw(st.lists(st.integers(9_999, model.now_ms), max_size=4, unique=True)):
        check(store, model, t)
