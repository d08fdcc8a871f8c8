"""Lengths that depend on options: products, attributes, and what is refused."""

import numpy as np
import pytest

import twinkit as tk
from twinkit.core.lengths import length


class Grid(tk.Model):
    """A grid of cells."""

    n = tk.Option(2, bounds=(1, 10))
    k = tk.Option(3, bounds=(1, 10))
    c = tk.State("mol/L", 1.0, shape="n * k", doc="one value per cell")

    def equations(self, v, m):
        return {"c": -v.c / m.quantity(1.0, "s")}


def test_a_shape_may_be_a_product_of_options():
    assert Grid().layout.states["c"].size == 6
    assert Grid(n=4).layout.states["c"].size == 12


def test_a_vector_is_made_anew_when_one_factor_changes():
    grid = Grid(c=np.arange(6.0))
    assert grid.with_(k=5).c.tolist() == [1.0] * 10
    assert grid.with_(k=3).c.tolist() == list(range(6))
    with pytest.raises(tk.ShapeError, match="shape \\(8,\\)"):
        Grid(n=4, k=2, c=np.arange(6.0))


@pytest.mark.parametrize("shape", ["", "n +k", "n **k", "3*n", "n.k.l", "n *"])
def test_what_is_no_product_is_refused_where_it_is_declared(shape):
    with pytest.raises(tk.ModelDefinitionError, match="a shape is a length"):
        tk.State("mol/L", shape=shape)


def test_unknown_options_and_attributes_are_refused():
    with pytest.raises(tk.UnknownNameError, match="did you mean 'n'"):
        length("nn", {"n": 2}, "Grid.c")
    with pytest.raises(tk.ModelDefinitionError, match=r"n.size is no positive integer option, but None"):
        length("n.size", {"n": 2}, "Grid.c")
    with pytest.raises(tk.UnknownNameError, match="did you mean 'n'"):
        length("nm", {"nm": True, "n": 2}, "Grid.c")
