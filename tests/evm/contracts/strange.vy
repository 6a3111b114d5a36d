# pragma version ~=0.4.3
# Looks like a Uniswap v3 pool, and says its swaps as PancakeSwap does, or in words of its own.

event Swap:
    sender: indexed(address)
    recipient: indexed(address)
    amount0: int256
    amount1: int256
    sqrtPriceX96: uint160
    liquidity: uint128
    tick: int24
    protocolFeesToken0: uint128
    protocolFeesToken1: uint128

event Moved:
    tick: int24

token0: public(address)
token1: public(address)
fee: public(uint24)
liquidity: public(uint128)
price: uint160
tick: int24

@deploy
def __init__(token0: address, token1: address):
    self.token0 = token0
    self.token1 = token1
    self.fee = 2500
    self.price = 79228162514264337593543950336
    self.liquidity = 10 ** 20

@external
@view
def slot0() -> (uint160, int24, uint16, uint16, uint16, uint32, bool):
    return self.price, self.tick, 0, 0, 0, 0, True

@external
def move(price: uint160, tick: int24, amount0: int256, amount1: int256, own_words: bool):
    self.price = price
    self.tick = tick
    if own_words:
        log Moved(tick=tick)
    else:
        log Swap(
            sender=msg.sender, recipient=msg.sender, amount0=amount0, amount1=amount1, sqrtPriceX96=price, liquidity=self.liquidity,
            tick=tick, protocolFeesToken0=7, protocolFeesToken1=9,
        )
