"""Rooms: shoebox geometry, image sources, absorption by walls and air, late reverberation."""
