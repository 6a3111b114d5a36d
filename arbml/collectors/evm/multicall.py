"""Many view functions in one request, pinned to one block: by the Multicall3 contract, or as a batch where there is none."""

from collections.abc import Sequence
from typing import Any

from arbml.collectors.evm.errors import Reverted, RpcError
from arbml.collectors.evm.rpc import Request

# the same on nearly every chain (github.com/mds1/multicall)
ADDRESS = "0xca11bde05977b3631167028862be2a173976ca11"
AGGREGATE3 = "82ad56cb"
_WORD = 32

Call = tuple[str, str]  # address, call data in hexadecimal digits without 0x


def answer(found: Any) -> bytes:
    """Return what a call answered, nothing where the contract has no such function; raise what the node itself refused."""
    return b"" if found is None or isinstance(found, Reverted) else bytes.fromhex(good(found)[2:])


def good(found: Any) -> Any:
    """Return one result of a batch; raise it where it is an error."""
    if isinstance(found, RpcError):
        raise found
    return found


class Multicall:
    """Turns calls into requests and their answers into bytes.

    Args:
        deployed: whether the contract is there; without it each call is a request of its own.
    """

    def __init__(self, deployed: bool) -> None:
        self._deployed = deployed

    def requests(self, calls: Sequence[Call], block_hash: str | None) -> list[Request]:
        """Return what to ask.

        Args:
            block_hash: the block whose state is read (EIP-1898); the latest without it.
        """
        at: Any = {"blockHash": block_hash} if block_hash else "latest"
        if not calls:
            return []
        if self._deployed:
            return [("eth_call", [{"to": ADDRESS, "data": "0x" + aggregate3(calls)}, at])]
        return [("eth_call", [{"to": to, "data": "0x" + data}, at]) for to, data in calls]

    def answers(self, calls: Sequence[Call], results: Sequence[Any]) -> list[bytes | None]:
        """Return what each call answered, None where it reverted or there is no contract.

        Raises:
            RpcError: if the node refused the request as a whole. ValueError: the answer is cut short.
        """
        if not calls:
            return []
        if not self._deployed:
            return [answer(found) or None for found in results]
        answers = unpacked(bytes.fromhex(good(results[0])[2:]))
        if len(answers) != len(calls):
            raise ValueError(f"multicall answered {len(answers)} of {len(calls)} calls")
        return answers


def aggregate3(calls: Sequence[Call]) -> str:
    """Return the call data of aggregate3((address,bool,bytes)[]) in hexadecimal digits; a call that fails fails alone."""
    tails, offsets, at = [], [], len(calls) * _WORD
    for to, data in calls:
        size = len(data) // 2
        padded = data + "0" * (-len(data) % (2 * _WORD))
        tail = f"{int(to, 16):064x}{1:064x}{0x60:064x}{size:064x}{padded}"
        offsets.append(f"{at:064x}")
        tails.append(tail)
        at += len(tail) // 2
    return AGGREGATE3 + f"{_WORD:064x}{len(calls):064x}" + "".join(offsets) + "".join(tails)


def unpacked(data: bytes) -> list[bytes | None]:
    """Return the answers in an ABI encoded (bool success, bytes returned)[]; None for a call that failed or answered nothing.

    Raises:
        ValueError: the data is cut short.
    """
    start = _word(data, 0) + _WORD
    answers: list[bytes | None] = []
    for i in range(_word(data, start - _WORD)):
        at = start + _word(data, start + i * _WORD)
        body = at + _word(data, at + _WORD)
        size = _word(data, body)
        returned = data[body + _WORD : body + _WORD + size]
        if len(returned) != size:
            raise ValueError("the answer of multicall is cut short")
        answers.append(returned if _word(data, at) and size else None)
    return answers


def _word(data: bytes, at: int) -> int:
    if at + _WORD > len(data):
        raise ValueError("the answer of multicall is cut short")
    return int.from_bytes(data[at : at + _WORD], "big")
