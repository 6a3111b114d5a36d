"""The table of figures: name, label, unit and meaning of each, in the order in which one would read them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of `Metrics`.

    Attributes:
        name: the field.
        label: for people.
        unit: "{token}" stands for the token of the backtest. "%": stored as a share, shown times 100.
        meaning: one sentence.
    """

    name: str
    label: str
    unit: str
    meaning: str


FIGURES = (
    Figure("attempts", "attempts", "transactions", "transactions sent"),
    Figure("successes", "successes", "transactions", "landed and traded"),
    Figure("reverts", "reverts", "transactions", "landed, did nothing, paid gas"),
    Figure("failed", "failed", "transactions", "never landed: cost nothing but the chance"),
    Figure("win_rate", "win rate", "%", "successes of all attempts"),
    Figure("win_rate_low", "win rate, 95 % interval from", "%", "Wilson interval of the win rate, lower end"),
    Figure("win_rate_high", "win rate, 95 % interval to", "%", "Wilson interval of the win rate, upper end"),
    Figure("gross_profit", "gross profit", "{token}", "what the spreads of the successes would give without any cost"),
    Figure("fees", "fees", "{token}", "pool and taker fees of the successes"),
    Figure("slippage", "slippage", "{token}", "price impact of the successes"),
    Figure("gas", "gas", "{token}", "paid by everything that landed"),
    Figure("gas_on_reverts", "gas on reverts", "{token}", "part of the gas that was paid for nothing"),
    Figure("other_costs", "other costs", "{token}", "bookings beside trades, such as levelling the inventory"),
    Figure("net_profit", "net profit", "{token}", "by how much the equity grew"),
    Figure("return_on_capital", "return on capital", "% of capital", "net profit over the capital at the start, over the period"),
    Figure("average_profit", "average per attempt", "{token}", "mean net profit of an attempt"),
    Figure("best_trade", "best attempt", "{token}", "largest net profit of an attempt"),
    Figure("worst_trade", "worst attempt", "{token}", "smallest net profit of an attempt"),
    Figure("profit_factor", "profit factor", "ratio", "sum of what was won over sum of what was lost, by attempt"),
    Figure("turnover", "turnover", "x capital", "amounts that landed over the capital at the start"),
    Figure("average_hold_s", "average time in flight", "s", "from the decision until the outcome is known"),
    Figure("max_drawdown", "largest drawdown", "{token}", "deepest fall of the equity below its best so far"),
    Figure("max_drawdown_share", "largest drawdown", "% of peak", "the same as a part of that peak"),
    Figure("longest_drawdown_s", "longest drawdown", "s", "longest time below a former best"),
    Figure("block_s", "block length", "s", "the fixed clock on which equity increments are taken for the ratios below"),
    Figure("blocks", "blocks", "blocks", "how many increments the ratios rest on"),
    Figure("sharpe", "Sharpe ratio, annualised", "ratio per root year",
           "mean over standard deviation of the increments, times the root of the blocks in 365 days; no risk-free rate"),
    Figure("sortino", "Sortino ratio, annualised", "ratio per root year", "the same over the deviation of losses only"),
    Figure("skewness", "skewness of increments", "ratio", "0 for a normal distribution"),
    Figure("kurtosis", "kurtosis of increments", "ratio", "3 for a normal distribution"),
    Figure("probabilistic_sharpe", "probabilistic Sharpe", "%",
           "probability that the true Sharpe ratio exceeds zero (Bailey and Lopez de Prado 2012)"),
    Figure("deflated_sharpe", "deflated Sharpe", "%",
           "the same, had it been picked as the best of the trials (Bailey and Lopez de Prado 2014)"),
    Figure("trials", "trials", "trials", "strategies or settings tried on these data, as stated by who ran it"),
    Figure("promised_profit", "promised by the finder", "{token}", "sum of the net profits that the finder saw at the decisions"),
    Figure("judged", "attempts judged by a model", "transactions", "attempts whose success probability a promoted model gave"),
    Figure("expected_profit", "expected by models", "{token}", "sum of the expected profits of the attempts judged"),
    Figure("realised_profit", "realised on these", "{token}", "sum of the net profits of the attempts judged"),
    Figure("brier", "Brier score", "probability^2", "mean squared error of the success probabilities of attempts; 0 is perfect"),
    Figure("calibration_error", "calibration error", "%", "mean gap between promised and observed success, in bins of equal weight"),
)  # fmt: skip

BY_NAME = {figure.name: figure for figure in FIGURES}


def unit_of(name: str, token: str) -> str:
    """Return the unit of a figure.

    >>> unit_of("gas", "USDC"), unit_of("sharpe", "USDC")
    ('USDC', 'ratio per root year')
    """
    return BY_NAME[name].unit.replace("{token}", token)
