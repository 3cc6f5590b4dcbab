"""Binaural rendering: trajectories, HRTF sets, rooms and renderers for headphones.

Coordinates are those of SOFA (AES69): x ahead, y to the left, z up, in meters; azimuth in degrees
counter-clockwise from ahead; the left ear first.
"""

from soundstage.binaural.api import binauralize
from soundstage.binaural.binaural_files import BinauralReport, render_file
from soundstage.binaural.binaural_jobs import BinauralWork, Job, plan_jobs
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
from soundstage.binaural.render.hrtf_renderer import HrtfRenderer
from soundstage.binaural.renderers import (
    RENDERERS,
    NeuralOptions,
    Renderer,
    RendererStream,
    RenderOptions,
    check_renderer,
    load_renderer,
)
from soundstage.binaural.room.shoebox import ShoeBox
from soundstage.binaural.scenes import Source, read_scene, sources_of
from soundstage.binaural.trajectories import Trajectory
from soundstage.binaural.trajectory_files import read_tracked, read_trajectory
from soundstage.binaural.trajectory_options import TrajectoryOptions

__all__ = [
    "HEAD_RADIUS",
    "RENDERERS",
    "AlignedResponses",
    "BinauralReport",
    "BinauralWork",
    "HrtfInterpolator",
    "HrtfRenderer",
    "HrtfSet",
    "Job",
    "NeuralOptions",
    "Poses",
    "RenderOptions",
    "Renderer",
    "RendererStream",
    "ShoeBox",
    "Source",
    "Trajectory",
    "TrajectoryOptions",
    "approach",
    "binauralize",
    "check_renderer",
    "constant",
    "ear_positions",
    "equalized",
    "fly_by",
    "from_tracked",
    "list_hrtf_sets",
    "load_hrtf",
    "load_renderer",
    "orbit",
    "plan_jobs",
    "read_hrtf",
    "read_scene",
    "read_tracked",
    "read_trajectory",
    "render_file",
    "rotate",
    "seen_by_receiver",
    "seen_from_head",
    "sources_of",
    "to_cartesian",
    "to_spherical",
    "to_tracked",
]
