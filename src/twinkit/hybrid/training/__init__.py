"""Training on whole trajectories: maximum posterior, evidence, and the covariance that goes with them."""
