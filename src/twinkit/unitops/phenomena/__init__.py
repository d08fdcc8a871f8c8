"""Rate laws and correlations: pure functions with units and sources, shared by the models of `unitops`.

Every function works on floats, arrays and the symbols of any reading; those that need mathematics take it as `m`.
"""

from twinkit.unitops.phenomena.growth import inhibition, luedeking_piret, monod
from twinkit.unitops.phenomena.transfer import gas_transfer

__all__ = ["gas_transfer", "inhibition", "luedeking_piret", "monod"]
