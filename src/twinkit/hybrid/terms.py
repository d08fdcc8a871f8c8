"""Learned functions as models: a vector ``x`` in, a dimensionless ``value`` out, what was learned as parameters.

They are what `tk.hybrid` puts into the equations of a model; being models, they have all readings.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum
from typing import Any

import twinkit.core as tk

_LEARNED = "learned from data"
_R2_FLOOR = 1e-20  # keeps the slope of a distance finite at zero; changes a Matern kernel by less than 1e-19


class Kernel(Enum):
    """Covariance function of a Gaussian process, with one length per input (ARD).

    Rasmussen & Williams (2006), Gaussian Processes for Machine Learning, equations 4.9 and 4.17.
    """

    RBF = "rbf"
    """Squared exponential: infinitely smooth."""
    MATERN52 = "matern52"
    """Matern with nu = 5/2: twice differentiable."""

    def of_squared_distance(self, r2: Any, m: Any) -> Any:
        """Return the correlation at a squared scaled distance, in any mathematics."""
        if self is Kernel.RBF:
            return m.exp(-0.5 * r2)
        r = m.sqrt(5.0 * (r2 + _R2_FLOOR))
        return (1.0 + r + 5.0 / 3.0 * r2) * m.exp(-r)


def warped(x: Any, softening: Any, m: Any) -> Any:
    """Return ``asinh(x / softening)``."""
    scaled = x / softening
    return m.log(scaled + m.sqrt(scaled * scaled + 1.0))


def squared_distances(x: Any, points: Any, lengths: Any) -> Any:
    """Return scaled squared distances from one input to points given input by input."""
    total: Any = 0.0
    for i in range(len(points)):
        difference = (x[i] - points[i]) / lengths[i]
        total = total + difference * difference
    return total


class GaussianProcessTerm(tk.Model):
    """Mean of a Gaussian process, a weighted sum of kernels at its points.

    ``value = sum_j weights[j] k(w(x) / lengths, points_j)``. An untrained term has weights zero: it changes nothing.

    Inputs are warped first, ``w(x) = asinh(x / softening)``: straight near zero and logarithmic far from it, so that
    what saturates (a Monod rate) is as easy to follow at 0.1 as at 100. A large softening leaves them as they are.
    """

    n_inputs = tk.Option(1, doc="inputs of the function")
    n_points = tk.Option(1, doc="points at which kernels sit")
    n_coordinates = tk.Option(1, doc="n_inputs times n_points")
    kernel = tk.Option(Kernel.RBF, doc="covariance function")

    x = tk.Input("", shape="n_inputs", doc="inputs, as numbers in their declared units")
    points = tk.Parameter(
        "", 0.0, shape="n_coordinates", doc="points, warped and scaled, input by input", source=_LEARNED
    )
    lengths = tk.Parameter("", 1.0, shape="n_inputs", bounds=(1e-300, None), doc="kernel lengths", source=_LEARNED)
    softening = tk.Parameter("", 1e6, shape="n_inputs", bounds=(1e-300, None), doc="warping", source=_LEARNED)
    weights = tk.Parameter("", 0.0, shape="n_points", doc="weights of the kernels", source=_LEARNED)
    shift = tk.Parameter("", 0.0, doc="added to the value", source="0 unless the term is doubted")
    value = tk.Output("", doc="value of the function")

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the mean: Rasmussen & Williams (2006), equation 2.27."""
        count = self.n_points
        x = [warped(v.x[i], v.softening[i], m) / v.lengths[i] for i in range(self.n_inputs)]
        points = [v.points[i * count : (i + 1) * count] for i in range(self.n_inputs)]
        r2 = squared_distances(x, points, [1.0] * self.n_inputs)
        return {"value": m.dot(v.weights, self.kernel.of_squared_distance(r2, m)) + v.shift}


def polynomial_size(inputs: int, degree: int) -> int:
    """Return the number of coefficients of a polynomial in some inputs."""
    return math.comb(inputs + degree, degree)


class PolynomialTerm(tk.Model):
    """Polynomial of first or second degree in centred, scaled inputs; an untrained term is zero."""

    n_inputs = tk.Option(1, doc="inputs of the function")
    n_weights = tk.Option(2, doc="coefficients")
    degree = tk.Option(1, doc="1 or 2")

    x = tk.Input("", shape="n_inputs", doc="inputs, as numbers in their declared units")
    center = tk.Parameter("", 0.0, shape="n_inputs", doc="centre of the inputs", source=_LEARNED)
    lengths = tk.Parameter("", 1.0, shape="n_inputs", bounds=(1e-300, None), doc="scales", source=_LEARNED)
    weights = tk.Parameter("", 0.0, shape="n_weights", doc="coefficients: 1, x_i, x_i x_j", source=_LEARNED)
    shift = tk.Parameter("", 0.0, doc="added to the value", source="0 unless the term is doubted")
    value = tk.Output("", doc="value of the function")

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the polynomial."""
        z = [(v.x[i] - v.center[i]) / v.lengths[i] for i in range(self.n_inputs)]
        features: list[Any] = [1.0, *z]
        if self.degree == 2:
            features += [z[i] * z[j] for i in range(self.n_inputs) for j in range(i, self.n_inputs)]
        total: Any = 0.0
        for k, feature in enumerate(features):
            total = total + v.weights[k] * feature
        return {"value": total + v.shift}


class NeuralNetworkTerm(tk.Model):
    """Network with one hidden layer of tanh units; an untrained term has output weights zero."""

    n_inputs = tk.Option(1, doc="inputs of the function")
    n_hidden = tk.Option(1, doc="hidden units")
    n_weights = tk.Option(3, doc="n_hidden times (n_inputs + 2)")

    x = tk.Input("", shape="n_inputs", doc="inputs, as numbers in their declared units")
    center = tk.Parameter("", 0.0, shape="n_inputs", doc="centre of the inputs", source=_LEARNED)
    lengths = tk.Parameter("", 1.0, shape="n_inputs", bounds=(1e-300, None), doc="scales", source=_LEARNED)
    amplitude = tk.Parameter("", 1.0, doc="scale of the value", source=_LEARNED)
    weights = tk.Parameter("", 0.0, shape="n_weights", doc="input weights, biases, output weights", source=_LEARNED)
    shift = tk.Parameter("", 0.0, doc="added to the value", source="0 unless the term is doubted")
    value = tk.Output("", doc="value of the function")

    def equations(self, v: Any, m: Any) -> Mapping[str, Any]:
        """Return the network's output."""
        h, n = self.n_hidden, self.n_inputs
        inside: Any = v.weights[n * h : (n + 1) * h]
        for i in range(n):
            inside = inside + v.weights[i * h : (i + 1) * h] * ((v.x[i] - v.center[i]) / v.lengths[i])
        value = v.amplitude * m.dot(v.weights[(n + 1) * h : (n + 2) * h], m.tanh(inside)) / h**0.5
        return {"value": value + v.shift}


TERMS: tuple[type[tk.Model], ...] = (GaussianProcessTerm, PolynomialTerm, NeuralNetworkTerm)
"""Classes of the learned terms, for ``Model.from_json(text, terms=TERMS)``."""
