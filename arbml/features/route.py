"""Features of a route: what the opportunity itself says, free of the size of any token."""

import numpy as np
import numpy.typing as npt

from arbml.features.spec import ROUTE_FEATURE_NAMES
from arbml.market import Opportunity


def route_features(opportunity: Opportunity) -> npt.NDArray[np.float64]:
    """Return the features of an opportunity, float64 (n,), in the order of ROUTE_FEATURE_NAMES.

    Liquidity is NaN where the depth of any leg is unknown; amounts are compared with the amount put in.
    """
    legs = opportunity.route.legs
    amount = opportunity.amount_in if opportunity.amount_in > 0 else np.nan
    depths = np.array([np.nan if leg.depth_quote is None else leg.depth_quote for leg in legs])
    smallest = depths.min()  # NaN if one is
    beyond_first = len(legs) + len({leg.venue for leg in legs}) + len({leg.pair for leg in legs}) - 3
    values = {
        "route_hops": len(legs),
        "route_fees_bps": sum(leg.fee_bps for leg in legs),
        "route_gas_bps": 1e4 * opportunity.gas_cost / amount,
        "route_slippage_bps": 1e4 * opportunity.slippage_cost / amount,
        "route_liquidity_mean": np.log(depths.mean()) if smallest > 0 else np.nan,
        "route_liquidity_min": np.log(smallest) if smallest > 0 else np.nan,
        "route_depth_share": amount / smallest if smallest > 0 else np.nan,
        "route_complexity": beyond_first,
        "route_edge_bps": opportunity.edge_bps,
        "route_net_bps": 1e4 * opportunity.net_profit / amount,
        "route_amount": np.log(amount),
    }
    return np.array([values[name] for name in ROUTE_FEATURE_NAMES], dtype=np.float64)
