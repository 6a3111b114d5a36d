"""What the codes of decisions mean, for people."""

from arbml.bot.advisor import AbsentCode
from arbml.models.ensemble import ReasonCode

MEANINGS: dict[str, str] = {
    ReasonCode.PROFITABLE: "sure enough, and worth it after fees, gas and reverts",
    ReasonCode.LOW_CONFIDENCE: "expected to pay, but not sure enough that it does",
    ReasonCode.EXPECTED_LOSS: "the expected profit after fees, gas and reverts is not above zero",
    ReasonCode.BASELINE: "no promoted model answered; the baseline never sends on its own",
    ReasonCode.MODEL_MISSING: "no promoted model answers this question",
    ReasonCode.MODEL_STALE: "the model is older than allowed",
    ReasonCode.MODEL_FAILED: "the model gave no finite number",
    ReasonCode.MODEL_LATE: "no answer within the latency budget",
    ReasonCode.FEATURE_SET: "the model was trained on other features",
    ReasonCode.MARKET_STALE: "the newest tick is older than allowed",
    ReasonCode.INPUT_MISSING: "inputs that the model needs are not known",
    ReasonCode.INPUT_RANGE: "inputs lie outside of what the training saw",
    ReasonCode.NOT_WARM: "too few ticks of the stream yet",
    ReasonCode.VOLATILE: "one standard deviation of the price exceeds the edge",
    ReasonCode.PRICE_MOVE: "the whole interval of a price forecast lies on one side of the price",
    AbsentCode.NOT_READY: "the advisor was not ready",
    AbsentCode.NO_BUNDLE: "there was no sound bundle of models",
    AbsentCode.NO_JOURNAL: "the journal could not be opened",
    AbsentCode.SERVICE_GONE: "the service could not be reached",
    AbsentCode.SERVICE_LATE: "the service did not answer in time",
    AbsentCode.LEFT_ALONE: "the service had failed before and was left alone",
    AbsentCode.REFUSED: "the question could not be judged as it was",
    AbsentCode.MISREAD: "what came back was no answer to the question",
    AbsentCode.ADVISOR_FAILED: "a fault of the advisor itself",
    "rule": "nobody was asked: what pays after fees, impact and gas is sent",
}
