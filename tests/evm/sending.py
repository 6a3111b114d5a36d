"""Transactions and contracts on the local chain: sent as plain requests (fast, never estimated), read through web3 (independent)."""

import time
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from web3 import Web3

from tests.evm.artifacts import Artifact
from tests.evm.chain import Chain

MINED_WITHIN_S = 10.0
MAX_FEE_WEI = 2_000 * 10**9
DEADLINE = 2**40
MAX = 2**256 - 1


@dataclass(frozen=True)
class Sent:
    """A transaction on its way; what asks for its receipt waits until it is mined.

    Args:
        chain: where. hash: which, as 0x and 64 hex digits.
    """

    chain: Chain
    hash: str

    @cached_property
    def receipt(self) -> dict[str, Any]:
        """The receipt as the node gives it; anvil may answer a moment later than it mines."""
        deadline = time.monotonic() + MINED_WITHIN_S
        while time.monotonic() < deadline:
            found: dict[str, Any] | None = self.chain.ask("eth_getTransactionReceipt", self.hash)
            if found is not None:
                return found
            time.sleep(0.002)
        raise AssertionError(f"{self.hash} was not mined within {MINED_WITHIN_S} s; is mining off?")

    @property
    def ok(self) -> bool:
        """True where it was mined and did not revert."""
        return int(self.receipt["status"], 16) == 1

    @property
    def block(self) -> int:
        """The number of its block."""
        return int(self.receipt["blockNumber"], 16)

    @property
    def gas_used(self) -> int:
        """Gas it was charged for."""
        return int(self.receipt["gasUsed"], 16)

    @property
    def gas_price_wei(self) -> int:
        """What it paid for a unit of gas, base fee and tip."""
        return int(self.receipt["effectiveGasPrice"], 16)

    def succeeded(self) -> "Sent":
        """Return it.

        Raises:
            AssertionError: it reverted.
        """
        assert self.ok, f"{self.hash} reverted: {self.chain.ask('debug_traceTransaction', self.hash, {'tracer': 'callTracer'})}"
        return self


class Contract:
    """A contract at an address.

    Args:
        chain: where it is. w3: web3 connected to it. abi: its interface. address: with checksum.
    """

    def __init__(self, chain: Chain, w3: Web3, abi: list[dict[str, Any]], address: str) -> None:
        self._chain, self.address = chain, address
        self._contract = w3.eth.contract(address=Web3.to_checksum_address(address), abi=abi)

    def data(self, function: str, *args: Any) -> str:
        """Return the call as hex."""
        return self._contract.encode_abi(function, args=list(args))

    def view(self, function: str, *args: Any, block: int | str = "latest", sender: str | None = None) -> Any:
        """Return what the contract answers at the end of a block.

        Raises:
            web3.exceptions.ContractLogicError: the call reverts.
        """
        where: Any = {"from": sender} if sender else {}
        return self._contract.functions[function](*args).call(where, block_identifier=block)  # type: ignore[arg-type]

    def send(self, sender: str, function: str, *args: Any, gas: int = 1_500_000, value: int = 0, tip_wei: int = 10**9) -> Sent:
        """Send a call; it may revert, which the receipt tells."""
        return send(self._chain, sender, self.address, self.data(function, *args), gas, value, tip_wei)


def send(chain: Chain, sender: str, to: str | None, data: str, gas: int, value: int = 0, tip_wei: int = 10**9) -> Sent:
    """Send a transaction with a gas limit of its own, so that nobody estimates it and one that reverts is mined."""
    request = {
        "from": sender, "data": data, "gas": hex(gas), "value": hex(value),
        "maxFeePerGas": hex(MAX_FEE_WEI), "maxPriorityFeePerGas": hex(tip_wei),
    }  # fmt: skip
    return Sent(chain, chain.ask("eth_sendTransaction", request | ({"to": to} if to else {})))


def deploy(chain: Chain, w3: Web3, sender: str, artifact: Artifact, *args: Any) -> Contract:
    """Put a contract on the chain."""
    code: Any = w3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode).constructor(*args).data_in_transaction
    sent = send(chain, sender, None, code, 15_000_000).succeeded()
    return Contract(chain, w3, artifact.abi, Web3.to_checksum_address(sent.receipt["contractAddress"]))
