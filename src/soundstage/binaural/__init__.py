"""Mono into what two ears hear: places and ways, measured heads, rooms, and the renderers.

Conventions are those of SOFA (AES69): x ahead, y to the left, z up, in metres; azimuth in degrees
counter-clockwise from ahead; the left ear first.
"""

from soundstage.binaural.equalisation import equalised
from soundstage.binaural.files import render_file
from soundstage.binaural.geometry import (
    HEAD_RADIUS,
    Poses,
    ear_positions,
    rotate,
    seen_from_head,
    to_cartesian,
    to_spherical,
)
from soundstage.binaural.head_interpolation import AlignedResponses, HeadInterpolator
from soundstage.binaural.heads import Head
from soundstage.binaural.hrtf import HrtfRenderer
from soundstage.binaural.memory import binauralize
from soundstage.binaural.methods import RENDERERS, Networks, Surroundings, load_renderer
from soundstage.binaural.presets import approach, constant, fly_by, orbit
from soundstage.binaural.renderers import render
from soundstage.binaural.rooms import Room
from soundstage.binaural.scenes import Source, read_scene, sources_of
from soundstage.binaural.shipped_heads import load_head, shipped_heads
from soundstage.binaural.sofa import read_head
from soundstage.binaural.tracked_speech import from_tracked, seen_by_receiver, to_tracked
from soundstage.binaural.trajectories import Trajectory
from soundstage.binaural.trajectory_files import read_tracked, read_trajectory

__all__ = [
    "HEAD_RADIUS",
    "RENDERERS",
    "AlignedResponses",
    "Head",
    "HeadInterpolator",
    "HrtfRenderer",
    "Networks",
    "Poses",
    "Room",
    "Source",
    "Surroundings",
    "Trajectory",
    "approach",
    "binauralize",
    "constant",
    "ear_positions",
    "equalised",
    "fly_by",
    "from_tracked",
    "load_head",
    "load_renderer",
    "orbit",
    "read_head",
    "read_scene",
    "read_tracked",
    "read_trajectory",
    "render",
    "render_file",
    "rotate",
    "seen_by_receiver",
    "seen_from_head",
    "shipped_heads",
    "sources_of",
    "to_cartesian",
    "to_spherical",
    "to_tracked",
]
