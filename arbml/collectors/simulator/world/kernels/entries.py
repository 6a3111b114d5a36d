"""What of the compiled world is called from Python."""
# mypy: allow-untyped-defs

from arbml.collectors.simulator.world.arrays import State
from arbml.collectors.simulator.world.kernels.blocks import make_block
from arbml.collectors.simulator.world.kernels.columns import AT, BLOCK_S, EAGER, FEE, FULL, LIQUIDITY, ROOT, V3, VOLUME
from arbml.collectors.simulator.world.kernels.compiled import entry
from arbml.collectors.simulator.world.kernels.draws import PROVIDER_PLACE
from arbml.collectors.simulator.world.kernels.swaps import provide, swap
from arbml.collectors.simulator.world.kernels.weather import pass_second


@entry
def advance(rules, state, key, first, last, every, seen, attempt, answer):
    """Let the seconds first .. last - 1 happen; every `every`-th second (0: none) is written to `seen`, from its start."""
    at = 0
    for second in range(first, last):
        level = pass_second(rules, state, key, second)
        for c in range(len(rules.chain)):
            if second % int(rules.chain[c, BLOCK_S]) == 0:
                make_block(rules, state, c, key, second, attempt, answer)
        if every > 0 and second % every == 0:
            seen.root[at], seen.liquidity[at], seen.volume[at] = state.pool[:, ROOT], state.pool[:, LIQUIDITY], state.pool[:, VOLUME]
            state.pool[:, VOLUME] = 0.0
            seen.fee[at], seen.full[at], seen.eager[at] = state.chain[:, FEE], state.chain[:, FULL], state.chain[:, EAGER]
            seen.token[at], seen.sigma[at] = state.token, level
            at += 1


@entry
def fates(rules, state, keys, first, attempt, seen, out):
    """What becomes of an attempt if the world goes on from `state` with each of the keys; `out` has a row for each."""
    for i in range(len(keys)):
        mood, token, chain, pool = state.mood.copy(), state.token.copy(), state.chain.copy(), state.pool.copy()
        copy = State(mood, token, chain, pool, state.age.copy(), state.position.copy())
        advance(rules, copy, keys[i], first, int(attempt[AT]) + 1, 0, seen, attempt, out[i])


@entry
def open_pools(rules, state, key):
    """Let all providers of the v3 pools take their first positions; the one over all prices must be there."""
    for p in range(len(rules.pool)):
        for i in range(1, state.position.shape[1] if rules.pool[p, V3] > 0.0 else 0):
            provide(rules, state, p, i, key, -1 - i, PROVIDER_PLACE + 8 * p)


@entry
def trade(rules, state, p, amount, buys):
    """Swap on one pool, for tests and tools; return what it pays."""
    return swap(rules, state, p, amount, buys, True)
