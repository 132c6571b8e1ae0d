"""Synthetic vectors for the search benchmarks: the same ones for the same seed, on every machine."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

DIMENSIONS = 1536

LATENT = 64
"""Directions in which meanings differ. Vectors of real texts fill a few dozen of their dimensions, the rest is noise."""

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Recipe:
    """Points around Gaussian cluster centres in LATENT dimensions, turned into DIMENSIONS and roughened there.

    A centre has length 1. `spread` is the length of a point's offset from it: well below 1 a point's neighbours
    are of its own cluster; above 1 clusters reach into each other. `noise` is the length of the offset that is added
    in all dimensions at the end. `Sample.purity` says how many of the nearest ten are of the query's own cluster.
    """

    rows: int
    clusters: int
    spread: float
    noise: float
    seed: int = 20_261_122

    def make(self, queries: int) -> "Sample":
        """The rows, and `queries` further points of the same distribution, all of length 1."""
        random = np.random.default_rng(self.seed)
        turned = np.linalg.qr(random.standard_normal((DIMENSIONS, LATENT)))[0].T.astype(np.float32)
        centres = _unit(random.standard_normal((self.clusters, LATENT), dtype=np.float32))
        total = self.rows + queries
        cluster = random.integers(0, self.clusters, total)
        offset = random.standard_normal((total, LATENT), dtype=np.float32) * np.float32(self.spread / np.sqrt(LATENT))
        points = _unit(centres[cluster] + offset) @ turned
        for start in range(0, total, 5_000):
            part = points[start : start + 5_000]
            part += random.standard_normal(part.shape, dtype=np.float32) * np.float32(self.noise / np.sqrt(DIMENSIONS))
        points = _unit(points)
        return Sample(points[: self.rows], points[self.rows :], cluster[: self.rows], cluster[self.rows :])


@dataclass(frozen=True)
class Sample:
    """Vectors to search among and to search for, and the cluster that each came from."""

    rows: Vectors
    queries: Vectors
    row_clusters: npt.NDArray[np.int64]
    query_clusters: npt.NDArray[np.int64]

    def nearest(self, limit: int, *, allowed: npt.NDArray[np.bool_] | None = None) -> list[list[int]]:
        """For each query the places of its `limit` nearest rows, by comparing all (or all that are `allowed`)."""
        places = np.arange(len(self.rows)) if allowed is None else np.flatnonzero(allowed)
        similarity = self.queries @ self.rows[places].T
        best = np.argsort(-similarity, axis=1, kind="stable")[:, :limit]
        return [[int(places[place]) for place in row] for row in best]

    def purity(self, nearest: list[list[int]]) -> float:
        """The share of the nearest rows that are of the query's own cluster."""
        same = [self.row_clusters[row] == own for row, own in zip(nearest, self.query_clusters, strict=True)]
        return float(np.mean(np.concatenate(same)))


def _unit(vectors: Vectors) -> Vectors:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
