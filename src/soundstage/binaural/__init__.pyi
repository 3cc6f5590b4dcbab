from .api import binauralize
from .binaural_files import BinauralReport, render_file
from .binaural_jobs import BinauralWork, Job, plan_jobs
from .binaural_speech_poses import from_tracked, seen_by_receiver, to_tracked
from .geometry import (
    HEAD_RADIUS,
    Poses,
    ear_positions,
    rotate,
    seen_from_head,
    to_cartesian,
    to_spherical,
)
from .hrtf.bundled import list_hrtf_sets, load_hrtf
from .hrtf.equalization import equalized
from .hrtf.hrtf_set import HrtfSet
from .hrtf.interpolation import AlignedResponses, HrtfInterpolator
from .hrtf.sofa import read_hrtf
from .hrtf.ssr_file import read_ssr_hrirs
from .listener import Listener, SeenTrajectory, seen_by
from .listener_options import ListenerOptions
from .presets import approach, constant, fly_by, orbit
from .render.hrtf_renderer import HrtfRenderer
from .render_options import (
    RENDERERS,
    NeuralOptions,
    RenderOptions,
    check_renderer,
)
from .renderers import Renderer, RendererStream, load_renderer
from .room.shoebox import ShoeBox
from .scene_files import read_scene, scene_from, scene_text
from .scenes import Scene, Source, sources_of
from .trajectories import Trajectory
from .trajectory_files import read_listener, read_tracked, read_trajectory
from .trajectory_options import TrajectoryOptions

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
    "Listener",
    "ListenerOptions",
    "NeuralOptions",
    "Poses",
    "RenderOptions",
    "Renderer",
    "RendererStream",
    "Scene",
    "SeenTrajectory",
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
    "read_listener",
    "read_scene",
    "read_ssr_hrirs",
    "read_tracked",
    "read_trajectory",
    "render_file",
    "rotate",
    "scene_from",
    "scene_text",
    "seen_by",
    "seen_by_receiver",
    "seen_from_head",
    "sources_of",
    "to_cartesian",
    "to_spherical",
    "to_tracked",
]
