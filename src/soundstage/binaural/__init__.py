"""Mono into what two ears hear: places and ways, measured heads, rooms, and the renderers.

Conventions are those of SOFA (AES69): x ahead, y to the left, z up, in meters; azimuth in degrees
counter-clockwise from ahead; the left ear first.
"""

from soundstage.binaural.api import binauralize
from soundstage.binaural.binaural_files import render_file
from soundstage.binaural.binaural_speech_poses import from_tracked, seen_by_receiver, to_tracked
from soundstage.binaural.geometry import (
    HEAD_RADIUS,
    Poses,
    ear_positions,
    rotate,
    seen_from_head,
    to_cartesian,
    to_spherical,
)
from soundstage.binaural.hrtf.bundled import load_head, shipped_heads
from soundstage.binaural.hrtf.equalization import equalized
from soundstage.binaural.hrtf.hrtf_set import Head
from soundstage.binaural.hrtf.interpolation import AlignedResponses, HeadInterpolator
from soundstage.binaural.hrtf.sofa import read_head
from soundstage.binaural.presets import approach, constant, fly_by, orbit
from soundstage.binaural.registry import RENDERERS, Networks, Surroundings, load_renderer
from soundstage.binaural.render.hrtf_renderer import HrtfRenderer
from soundstage.binaural.renderers import render
from soundstage.binaural.room.shoebox import Room
from soundstage.binaural.scenes import Source, read_scene, sources_of
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
    "equalized",
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
