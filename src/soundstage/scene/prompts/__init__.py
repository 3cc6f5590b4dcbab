"""Sentences to scene descriptions: a grammar of events, places, motion, order and rooms."""
