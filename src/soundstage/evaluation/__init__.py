"""Evaluation of methods against true stereo: metrics over a corpus, tables, plots and a report."""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
