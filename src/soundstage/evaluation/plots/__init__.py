"""Plots: analysis and comparison figures, contact sheets of takes, top views of trajectories."""
