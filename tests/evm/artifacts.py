"""ABI and bytecode of the contracts: Uniswap's own, as their npm packages bring them, and ours, compiled from Vyper."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.evm.chain import MODULES

OURS = Path(__file__).parent / "contracts"
_V2, _V3 = "v2-core/build", "v3-core/artifacts/contracts"
_V2_PERIPHERY, _V3_PERIPHERY = "v2-periphery/build", "v3-periphery/artifacts/contracts"
PATHS = {
    "WETH9": f"{_V2_PERIPHERY}/WETH9.json",
    "UniswapV2Factory": f"{_V2}/UniswapV2Factory.json",
    "UniswapV2Pair": f"{_V2}/UniswapV2Pair.json",
    "UniswapV2Router02": f"{_V2_PERIPHERY}/UniswapV2Router02.json",
    "UniswapV3Factory": f"{_V3}/UniswapV3Factory.sol/UniswapV3Factory.json",
    "UniswapV3Pool": f"{_V3}/UniswapV3Pool.sol/UniswapV3Pool.json",
    "SwapRouter": f"{_V3_PERIPHERY}/SwapRouter.sol/SwapRouter.json",
    "NonfungiblePositionManager": f"{_V3_PERIPHERY}/NonfungiblePositionManager.sol/NonfungiblePositionManager.json",
    "PairFlash": f"{_V3_PERIPHERY}/examples/PairFlash.sol/PairFlash.json",
}


@dataclass(frozen=True, slots=True)
class Artifact:
    """What is needed to deploy and call a contract; `runtime` is what stands at its address (ours only)."""

    abi: list[dict[str, Any]]
    bytecode: str
    runtime: str = ""


@functools.cache
def uniswap(name: str) -> Artifact:
    """An unmodified Uniswap contract of the npm packages."""
    found = json.loads((MODULES / "@uniswap" / PATHS[name]).read_text())
    code = found["bytecode"] if isinstance(found["bytecode"], str) else found["bytecode"]["object"]
    return Artifact(found["abi"], "0x" + code.removeprefix("0x"))


@functools.cache
def ours(name: str) -> Artifact:
    """A contract of the folder `contracts`, compiled now: token, executor or multicall."""
    import vyper  # half a second, and not needed where no chain is
    from vyper.compiler.settings import Settings

    source = (OURS / f"{name}.vy").read_text()
    made = vyper.compile_code(source, output_formats=["abi", "bytecode", "bytecode_runtime"], settings=Settings(evm_version="cancun"))
    return Artifact(made["abi"], made["bytecode"], made["bytecode_runtime"])
