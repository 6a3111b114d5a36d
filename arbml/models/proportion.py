"""The interval of a share."""

from typing import Any

import numpy as np

Z95 = 1.959963984540054  # two-sided 95 % quantile of the standard normal


def wilson(share: Any, n: Any) -> tuple[Any, Any]:
    """Return the 95 % score interval of shares seen in n cases each (Wilson 1927); NaN where n is 0.

    Args:
        share: 0..1, a number or (k,) float64. n: as many numbers of cases; rows that lean on each other may count for a part of one.

    Returns:
        Lower and upper ends, like `share`.

    >>> [round(float(end), 3) for end in wilson(0.8, 10)]
    [0.49, 0.943]
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        part = Z95**2 / np.asarray(n, np.float64)
        centre = (share + part / 2) / (1 + part)
        half = np.sqrt(part * (share * (1 - share) + part / 4)) / (1 + part)
    # rounding must not leave the share itself outside
    return np.minimum(np.maximum(centre - half, 0.0), share), np.maximum(np.minimum(centre + half, 1.0), share)
