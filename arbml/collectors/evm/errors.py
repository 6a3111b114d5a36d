"""What a node can answer other than a result, by what it means and not by how it is worded.

    RpcError                    one request was not answered with a result; names method and masked host
    |- Unreachable              (TransientError) no whole answer: refused or dropped connection, 5xx, half or malformed, late
    |- RateLimited              (TransientError) asked too often; carries retry_after_s
    |- UnknownBlock             (TransientError) the node has no such block: it lags behind, or the block was orphaned
    |- TooManyResults           (SourceError) ask for less; carries suggested_range
    |- BatchTooLarge            (SourceError) ask for fewer requests at once; `Providers` does so itself
    |- Pruned                   (SourceError) the block is known, its state is gone; only an archive node has it
    |- Unsupported              (SourceError) the node does not know the method
    |- Reverted                 (SourceError) the contract refused the call
    |- WrongChain               (SourceError) the node is of another chain
    +- Refused                  (SourceError) anything else: bad parameters, no access
"""

from arbml.errors import CollectError, SourceError, TransientError


class RpcError(CollectError):
    """A request that was not answered with a result.

    Args:
        method: its name, e.g. "eth_getLogs". host: the node, masked (see `masking.masked`).
        said: what it said or what happened, one line without secrets. code: of JSON-RPC or HTTP; 0 where there is none.
    """

    def __init__(self, method: str, host: str, said: str, code: int = 0) -> None:
        super().__init__(f"{host}: {method}: {said}" + (f" ({code})" if code else ""))
        self.method, self.host, self.said, self.code = method, host, said, code

    def __reduce__(self) -> tuple[type["RpcError"], tuple[str, str, str, int]]:
        return type(self), (self.method, self.host, self.said, self.code)


class Unreachable(RpcError, TransientError):
    """There was no whole answer."""


class RateLimited(RpcError, TransientError):
    """The node was asked more than it allows.

    Attributes:
        retry_after_s: how long it wants to be left alone; None where it does not say.
    """

    retry_after_s: float | None = None


class UnknownBlock(RpcError, TransientError):
    """The node does not have the block that was asked for."""


class TooManyResults(RpcError, SourceError):
    """The answer would be larger than the node gives.

    Attributes:
        suggested_range: the first and last block that would do, where the node says so.
        max_blocks: the widest range of blocks that it allows, where it says so.
    """

    suggested_range: tuple[int, int] | None = None
    max_blocks: int | None = None


class BatchTooLarge(RpcError, SourceError):
    """The node takes fewer requests at once."""


class Pruned(RpcError, SourceError):
    """The node does not keep the state of a block that old; use an archive node."""


class Unsupported(RpcError, SourceError):
    """The node does not know the method."""


class Reverted(RpcError, SourceError):
    """The contract refused the call."""


class WrongChain(RpcError, SourceError):
    """The node is of another chain than the others or than asked for."""


class Refused(RpcError, SourceError):
    """The node will not answer this differently if asked again."""
