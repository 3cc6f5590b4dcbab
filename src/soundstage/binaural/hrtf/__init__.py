"""HRTF sets: reading SOFA, the bundled set, equalization, onsets, interpolation on the sphere."""
