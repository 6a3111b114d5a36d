"""The centres of clusters, by k-means. The one place of the patterns that needs scikit-learn; matching does not."""

import numpy as np
from numpy.typing import NDArray


def centres(z: NDArray[np.float64], clusters: int, seed: int) -> NDArray[np.float64]:
    """Return (clusters, f) centres of rows (n, f), in the order in which k-means numbers them.

    The same rows and seed give the same centres: one thread, fixed starts.
    """
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):
        found: NDArray[np.float64] = KMeans(clusters, n_init=4, max_iter=100, random_state=seed).fit(z).cluster_centers_
    return found
