# pragma version ~=0.4.3
# Swaps along a cycle of Uniswap v2 (kind 2) and v3 (kind 3) pools with its own tokens, and reverts if it ends poorer than asked.

interface ERC20:
    def transfer(receiver: address, amount: uint256) -> bool: nonpayable
    def balanceOf(owner: address) -> uint256: view

interface V2Pair:
    def getReserves() -> (uint112, uint112, uint32): view
    def token0() -> address: view
    def token1() -> address: view
    def swap(amount0: uint256, amount1: uint256, receiver: address, data: Bytes[32]): nonpayable

interface V3Pool:
    def token0() -> address: view
    def token1() -> address: view
    def swap(receiver: address, zero_for_one: bool, amount: int256, limit: uint160, data: Bytes[32]) -> (int256, int256): nonpayable

event Arbitrage:
    token: indexed(address)
    amount_in: uint256
    amount_out: uint256
    profit: uint256

struct Leg:
    pool: address
    kind: uint8

OWNER: immutable(address)
LOWEST: constant(uint160) = 4295128740
HIGHEST: constant(uint160) = 1461446703485210103287273052203988822378723970341


@deploy
def __init__():
    OWNER = msg.sender


@external
def execute(token: address, amount: uint256, min_profit: uint256, legs: DynArray[Leg, 8]) -> uint256:
    assert msg.sender == OWNER, "not the owner"
    before: uint256 = staticcall ERC20(token).balanceOf(self)
    held: address = token
    left: uint256 = amount
    for leg: Leg in legs:
        if leg.kind == 2:
            held, left = self._v2(leg.pool, held, left)
        else:
            held, left = self._v3(leg.pool, held, left)
    assert held == token, "open cycle"
    after: uint256 = staticcall ERC20(token).balanceOf(self)
    assert after >= before + min_profit, "insufficient profit"
    log Arbitrage(token=token, amount_in=amount, amount_out=left, profit=after - before)
    return after - before


@internal
def _v2(pool: address, token: address, amount: uint256) -> (address, uint256):
    token0: address = staticcall V2Pair(pool).token0()
    reserve0: uint112 = 0
    reserve1: uint112 = 0
    at: uint32 = 0
    reserve0, reserve1, at = staticcall V2Pair(pool).getReserves()
    paid: uint256 = amount * 997
    extcall ERC20(token).transfer(pool, amount)
    if token == token0:
        out: uint256 = paid * convert(reserve1, uint256) // (convert(reserve0, uint256) * 1000 + paid)
        extcall V2Pair(pool).swap(0, out, self, b"")
        return staticcall V2Pair(pool).token1(), out
    out: uint256 = paid * convert(reserve0, uint256) // (convert(reserve1, uint256) * 1000 + paid)
    extcall V2Pair(pool).swap(out, 0, self, b"")
    return token0, out


@internal
def _v3(pool: address, token: address, amount: uint256) -> (address, uint256):
    token0: address = staticcall V3Pool(pool).token0()
    flow0: int256 = 0
    flow1: int256 = 0
    if token == token0:
        flow0, flow1 = extcall V3Pool(pool).swap(self, True, convert(amount, int256), LOWEST, abi_encode(token))
        return staticcall V3Pool(pool).token1(), convert(-flow1, uint256)
    flow0, flow1 = extcall V3Pool(pool).swap(self, False, convert(amount, int256), HIGHEST, abi_encode(token))
    return token0, convert(-flow0, uint256)


@external
def uniswapV3SwapCallback(flow0: int256, flow1: int256, data: Bytes[32]):
    extcall ERC20(abi_decode(data, address)).transfer(msg.sender, convert(max(flow0, flow1), uint256))
