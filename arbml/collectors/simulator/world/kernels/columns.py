"""Which column of the world's arrays holds what, and the constants of the compiled code."""

# columns of Rules.weather
FAST_KEEP, FAST_NOISE, SLOW_KEEP, SLOW_NOISE, SWING, TAILS, JUMPS, JUMP, KICK, KICK_MEAN, START_DAY = range(11)
LINK, BLOCK_NOISE, ELASTICITY, RUSH_LOG, CHANGES, SPREAD, WITHDRAWN, FULL_RANGE, NATIVE, EAGERNESS, N_WEATHER = range(11, 22)
# columns of Rules.chain and State.chain
BLOCK_S, USUAL_FEE, TIP, MISS, DEMAND_KEEP, DEMAND_NOISE, RUSHES, RUSH_KEEP, EAGER_KEEP, MARGIN, N_CHAIN = range(11)
FEE, FULL, DEMAND, RUSH, EAGER, CUT, SENT, REVERTED, INFORMED, N_CHAIN_STATE = range(10)
# columns of Rules.pool and State.pool
CHAIN, V3, KEEP, BASE, QUOTE, TRADES, TRADE_USD, LOOKS, WIDTH, HALF, VALUE, N_POOL = range(12)
ROOT, LIQUIDITY, CELL, VOLUME, DEPTH, N_POOL_STATE = range(6)
REACTION, LATENCY, BID, N_RIVAL = range(4)
# an attempt that is put into a block, and what becomes of it
AT, ON, LEGS, OFFER, MAX_FEE, AMOUNT, NATIVE_PRICE, UNITS, REVERT_PART, FIRST_LEG = range(10)
N_ATTEMPT = FIRST_LEG + 8
STATUS, PROFIT, PAID_GWEI, N_ANSWER = range(4)
UNDECIDED, SUCCEEDED, REVERTS, FAILS = 0.0, 1.0, 2.0, 3.0

MAX_EVENTS = 160
NOISE_TRADE, INFORMED_TRADE, RIVAL_TRADE, OUR_TRADE = range(4)
GAS_UNITS, SWAP_UNITS, REVERT_SHARE = 60_000.0, 90_000.0, 0.7
FAR = 1e15  # the bounds of a position over all prices
LARGEST = 0.001  # part of a pool that one trade takes at most: what looks like more is split over venues we do not see
