"""Rate laws and correlations: pure functions with units and sources, shared by the models of `unitops`.

Every function works on floats, arrays and the symbols of any reading; those that need mathematics take it as `m`.
"""

from twinkit.unitops.phenomena.acid_base import (
    MEDIUM_37,
    WATER_25,
    BicarbonateBuffer,
    acid_charge,
    bicarbonate,
    charge_balance,
    hydrogen_ion,
    ionised,
)
from twinkit.unitops.phenomena.aeration import (
    COALESCING,
    NON_COALESCING,
    TransferCorrelation,
    gassed_power,
    oxygen_transfer_coefficient,
    stirrer_power,
    transfer_power_law,
)
from twinkit.unitops.phenomena.death import death_of_slow_growth, lysis
from twinkit.unitops.phenomena.feeding import exponential_feed
from twinkit.unitops.phenomena.growth import (
    cardinal_ph,
    contois,
    haldane,
    inhibition,
    luedeking_piret,
    monod,
    moser,
    saturating_square,
)
from twinkit.unitops.phenomena.heat import (
    counter_current_effectiveness,
    flow_jacket_heat,
    metabolic_heat,
    overall_coefficient,
    wall_heat,
)
from twinkit.unitops.phenomena.interaction import competitive, least, uncompetitive
from twinkit.unitops.phenomena.mass_action import concentration_power, mass_action, reversible
from twinkit.unitops.phenomena.mixing import exchange, exchange_flow, mixing_time
from twinkit.unitops.phenomena.temperature import activation_and_loss, arrhenius, arrhenius_from, gas_constant
from twinkit.unitops.phenomena.transfer import (
    carbon_dioxide_coefficient,
    dissolved_at_equilibrium,
    gas_transfer,
    headspace,
    saturable_balance,
)

__all__ = [
    "COALESCING",
    "MEDIUM_37",
    "NON_COALESCING",
    "WATER_25",
    "BicarbonateBuffer",
    "TransferCorrelation",
    "acid_charge",
    "activation_and_loss",
    "arrhenius",
    "arrhenius_from",
    "bicarbonate",
    "carbon_dioxide_coefficient",
    "cardinal_ph",
    "charge_balance",
    "competitive",
    "concentration_power",
    "contois",
    "counter_current_effectiveness",
    "death_of_slow_growth",
    "dissolved_at_equilibrium",
    "exchange",
    "exchange_flow",
    "exponential_feed",
    "flow_jacket_heat",
    "gas_constant",
    "gas_transfer",
    "gassed_power",
    "haldane",
    "headspace",
    "hydrogen_ion",
    "inhibition",
    "ionised",
    "least",
    "luedeking_piret",
    "lysis",
    "mass_action",
    "metabolic_heat",
    "mixing_time",
    "monod",
    "moser",
    "overall_coefficient",
    "oxygen_transfer_coefficient",
    "reversible",
    "saturable_balance",
    "saturating_square",
    "stirrer_power",
    "transfer_power_law",
    "uncompetitive",
    "wall_heat",
]
