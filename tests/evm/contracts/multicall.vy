# pragma version ~=0.4.3
# The face of Multicall3 that the collector uses: same selector, arguments and answers; the tests set it at the usual address.

struct Call3:
    target: address
    allowFailure: bool
    callData: Bytes[260]

struct Result:
    success: bool
    returnData: Bytes[544]


@external
@payable
def aggregate3(calls: DynArray[Call3, 512]) -> DynArray[Result, 512]:
    results: DynArray[Result, 512] = []
    for one: Call3 in calls:
        success: bool = False
        data: Bytes[544] = b""
        success, data = raw_call(one.target, one.callData, max_outsize=544, revert_on_failure=False)
        assert success or one.allowFailure, "Multicall3: call failed"
        results.append(Result(success=success, returnData=data))
    return results


@external
@view
def getBlockNumber() -> uint256:
    return block.number


@external
@view
def getBasefee() -> uint256:
    return block.basefee
