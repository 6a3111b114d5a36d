"""ABI and bytecode of the contracts: Uniswap's own, as their npm packages bring them, and ours, compiled from Vyper:
`python -m tests.evm.artifacts` after a change of their sources."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.evm.chain import MODULES

COMPILED = Path(__file__).parent / "contracts" / "compiled.json"
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
    """A contract of the folder `contracts`, as compiled: token, executor or multicall."""
    return Artifact(**json.loads(COMPILED.read_text())[name])


def compiled() -> str:
    """Compile our contracts anew; two seconds, which is why what comes out is kept beside them."""
    import vyper
    from vyper.compiler.settings import Settings

    made = {}
    for path in sorted(COMPILED.parent.glob("*.vy")):
        found = vyper.compile_code(
            path.read_text(), output_formats=["abi", "bytecode", "bytecode_runtime"], settings=Settings(evm_version="cancun")
        )
        made[path.stem] = {"abi": found["abi"], "bytecode": found["bytecode"], "runtime": found["bytecode_runtime"]}
    return json.dumps(made, indent=1) + "\n"


if __name__ == "__main__":
    COMPILED.write_text(compiled())
