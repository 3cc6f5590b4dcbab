"""Renderers, one file a method, and their streams, convolvers and propagation model."""
