"""Binary classifiers of our own: the threshold, and ratios of two densities."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import multivariate_normal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.covariance import ledoit_wolf
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data


class _TwoClasses(ClassifierMixin, BaseEstimator):
    """What binary classifiers share whose decision is the sign of one number."""

    def fit(self, X, y):
        """Fit on X [n, features] and two classes y [n]."""
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        if len(self.classes_) != 2:
            raise ValueError(
                f"Only binary classification is supported: y has {len(self.classes_)} class(es)"
            )
        spread = X.std(axis=0)
        self.scale_ = np.where(spread > 0, spread, 1.0)
        self._fit([X[y == label] / self.scale_ for label in self.classes_])
        return self

    def decision_function(self, X):
        """One number for each row of X [n, features]; the larger, the more like classes_[1]."""
        check_is_fitted(self)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        return self._decision(X / self.scale_)

    def predict(self, X):
        """The class of each row of X [n, features]."""
        is_second = self.decision_function(X) > 0
        return self.classes_[is_second.astype(int)]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def _fit(self, samples: list[np.ndarray]) -> None:
        raise NotImplementedError

    def _decision(self, X: np.ndarray) -> np.ndarray:
        raise NotImplementedError


class Threshold(_TwoClasses):
    """The first column itself, less the midpoint of the classes' medians.

    Catches any shift of the confidence, the whole of what a plain threshold can show. What one
    number tells of two pools of equal mean but different spread it misses. Costs nothing.

    References
    ----------
    Yeom et al., "Privacy risk in machine learning", CSF 2018, adversary 2.
    """

    def _fit(self, samples: list[np.ndarray]) -> None:
        low, high = (np.median(sample[:, 0]) for sample in samples)
        self.midpoint_ = (low + high) / 2
        self.sign_ = 1.0 if high >= low else -1.0

    def _decision(self, X: np.ndarray) -> np.ndarray:
        return self.sign_ * (X[:, 0] - self.midpoint_)


class GaussianLikelihoodRatio(_TwoClasses):
    """Log-likelihood ratio of two Gaussians, their covariances shrunk.

    Catches shifts and changes of spread: on one column its rules are intervals and their
    complements, on several the inside and outside of conics, so that it also sees columns that
    move together. Blind to shape (modes, atoms), and one far outlier widens a Gaussian. Costs a
    millisecond.

    Parameters
    ----------
    min_spread : float
        Least standard deviation of a class, as a fraction of that of all the models together.

    References
    ----------
    Carlini et al., "Membership inference attacks from first principles", IEEE S&P 2022, eq. 4
    and its form for several queries; Ledoit and Wolf, "A well-conditioned estimator for
    large-dimensional covariance matrices", Journal of Multivariate Analysis 88, 2004.
    """

    def __init__(self, min_spread=1e-3):
        self.min_spread = min_spread

    def _fit(self, samples: list[np.ndarray]) -> None:
        floor = self.min_spread**2 * np.eye(samples[0].shape[1])
        self.densities_ = [
            multivariate_normal(sample.mean(axis=0), ledoit_wolf(sample)[0] + floor)
            for sample in samples
        ]

    def _decision(self, X: np.ndarray) -> np.ndarray:
        low, high = (np.atleast_1d(density.logpdf(X)) for density in self.densities_)
        return high - low


class KernelLikelihoodRatio(_TwoClasses):
    """Log ratio of two Gaussian kernel density estimates.

    Catches shape: several modes, runs that are identical or nearly so, outliers that hide them.
    Where both pools are Gaussian its noise costs it a little against `GaussianLikelihoodRatio`.
    Costs milliseconds: one kernel for each pair of a fitted and a scored model.

    Parameters
    ----------
    bandwidth : float
        Factor on Silverman's rule, 0.9 min(sd, IQR / 1.34) n^(−1/5), taken for each class.
    min_bandwidth : float
        Least bandwidth, as a fraction of the standard deviation of all the models together.

    References
    ----------
    Silverman, "Density estimation for statistics and data analysis", 1986, eq. 3.31.
    """

    def __init__(self, bandwidth=1.0, min_bandwidth=1e-3):
        self.bandwidth = bandwidth
        self.min_bandwidth = min_bandwidth

    def _fit(self, samples: list[np.ndarray]) -> None:
        self.widths_ = [self._width(sample) for sample in samples]
        self.samples_ = [
            sample / width for sample, width in zip(samples, self.widths_, strict=True)
        ]

    def _width(self, sample: np.ndarray) -> np.ndarray:
        low, high = np.quantile(sample, [0.25, 0.75], axis=0)
        spread = np.minimum(sample.std(axis=0), (high - low) / 1.34)
        width = 0.9 * self.bandwidth * spread * len(sample) ** -0.2
        return np.maximum(width, self.min_bandwidth)

    def _decision(self, X: np.ndarray) -> np.ndarray:
        low, high = (
            _log_density(X / width, sample) - np.log(width).sum()
            for sample, width in zip(self.samples_, self.widths_, strict=True)
        )
        return high - low


def _log_density(points: np.ndarray, sample: np.ndarray) -> np.ndarray:
    """Log of the mean of unit Gaussian kernels on `sample`, up to a constant."""
    squared = cdist(points, sample, "sqeuclidean")
    # Taken out of the sum, so that a point far from all the sample keeps a density.
    nearest = squared.min(axis=1, keepdims=True)
    return np.log(np.exp((nearest - squared) / 2).mean(axis=1)) - nearest[:, 0] / 2
