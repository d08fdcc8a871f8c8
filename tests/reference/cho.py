"""The CHO fed-batch as bare CasADi expressions, for tests of the integrator below the models."""

import casadi as ca
import numpy as np

Y0 = np.array([0.3, 0.0, 35.0, 4.0, 0.0, 0.0, 0.0, 1.0, 0.21])
# mumax kd Kglc Kgln KIlac KIamm KDlac KDamm YXglc YXgln Ylacglc Yammgln ramm mglc a1 a2 Q GlcF
# GlnF kLa O2s qO2
P = np.array([
    0.039, 0.004, 1.0, 0.047, 43.0, 6.51, 45.8, 6.51, 0.357, 0.974, 0.70, 0.67, 6.3e-3, 69.2e-3,
    3.2e-3, 2.1, 1.51e-3, 500.0, 100.0, 15.0, 0.21, 0.30,
])  # fmt: skip
KNOTS = np.array([0.0, 72.0, 120.0, 168.0, 216.0, 264.0, 336.0])
FEED = np.array([0.0, 0.8e-3, 1.6e-3, 2.4e-3, 2.4e-3, 1.6e-3])


def rates(y, F, p):
    """Right-hand side as a list, for floats and for SX alike."""
    Xv, Xd, Glc, Gln, Lac, Amm, mAb, V, O2 = (y[i] for i in range(9))
    (mumax, kd, Kglc, Kgln, KIlac, KIamm, KDlac, KDamm, YXglc, YXgln, Ylac, Yamm, ramm, mglc, a1,
     a2, Q, GlcF, GlnF, kLa, O2s, qO2) = (p[i] for i in range(22))  # fmt: skip
    mu = mumax * Glc / (Kglc + Glc) * Gln / (Kgln + Gln)
    mu = mu * KIlac / (KIlac + Lac) * KIamm / (KIamm + Amm)
    death = kd * Lac / (KDlac + Lac) * Amm / (KDamm + Amm)
    D = F / V
    net = mu - death
    qglc = net / YXglc + mglc * Glc / (Glc + 0.1)
    return [
        (net - D) * Xv,
        death * Xv - D * Xd,
        -qglc * Xv + D * (GlcF - Glc),
        -(net / YXgln + a1 * Gln / (a2 + Gln)) * Xv + D * (GlnF - Gln),
        Ylac * qglc * Xv - D * Lac,
        (Yamm * net / YXgln - ramm * Amm / (Amm + 0.1)) * Xv - D * Amm,
        Q * (1 - mu / mumax) * Xv - D * mAb,
        F,
        kLa * (O2s - O2) - qO2 * Xv * O2 / (O2 + 0.01) - D * O2,
    ]


def symbols():
    """CasADi symbols t, x, z, u, p and the rates."""
    t, x, u, p = (ca.SX.sym(s, k) for s, k in (("t", 1), ("x", 9), ("u", 1), ("p", 22)))
    return t, x, ca.SX(0, 1), u, p, ca.vertcat(*rates(x, u, p)), ca.SX(0, 1)
