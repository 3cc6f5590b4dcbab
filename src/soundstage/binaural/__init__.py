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
from soundstage.binaural.hrtf.bundled import list_hrtf_sets, load_hrtf
from soundstage.binaural.hrtf.equalization import equalized
from soundstage.binaural.hrtf.hrtf_set import HrtfSet
from soundstage.binaural.hrtf.interpolation import AlignedResponses, HrtfInterpolator
from soundstage.binaural.hrtf.sofa import read_hrtf
from soundstage.binaural.presets import approach, constant, fly_by, orbit
from soundstage.binaural.registry import RENDERERS, Networks, RenderOptions, load_renderer
from soundstage.binaural.render.hrtf_renderer import HrtfRenderer
from soundstage.binaural.renderers import render
from soundstage.binaural.room.shoebox import ShoeBox
from soundstage.binaural.scenes import Source, read_scene, sources_of
from soundstage.binaural.trajectories import Trajectory
from soundstage.binaural.trajectory_files import read_tracked, read_trajectory

__all__ = [
    "HEAD_RADIUS",
    "RENDERERS",
    "AlignedResponses",
    "HrtfInterpolator",
    "HrtfRenderer",
    "HrtfSet",
    "Networks",
    "Poses",
    "RenderOptions",
    "ShoeBox",
    "Source",
    "Trajectory",
    "approach",
    "binauralize",
    "constant",
    "ear_positions",
    "equalized",
    "fly_by",
    "from_tracked",
    "list_hrtf_sets",
    "load_hrtf",
    "load_renderer",
    "orbit",
    "read_hrtf",
    "read_scene",
    "read_tracked",
    "read_trajectory",
    "render",
    "render_file",
    "rotate",
    "seen_by_receiver",
    "seen_from_head",
    "sources_of",
    "to_cartesian",
    "to_spherical",
    "to_tracked",
]
