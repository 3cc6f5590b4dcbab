from .api import binauralize as binauralize
from .binaural_files import BinauralReport as BinauralReport, render_file as render_file
from .binaural_jobs import BinauralWork as BinauralWork, Job as Job, plan_jobs as plan_jobs
from .binaural_speech_poses import (
    from_tracked as from_tracked,
    seen_by_receiver as seen_by_receiver,
    to_tracked as to_tracked,
)
from .geometry import (
    HEAD_RADIUS as HEAD_RADIUS,
    Poses as Poses,
    ear_positions as ear_positions,
    rotate as rotate,
    seen_from_head as seen_from_head,
    to_cartesian as to_cartesian,
    to_spherical as to_spherical,
)
from .hrtf.bundled import list_hrtf_sets as list_hrtf_sets, load_hrtf as load_hrtf
from .hrtf.equalization import equalized as equalized
from .hrtf.hrtf_set import HrtfSet as HrtfSet
from .hrtf.interpolation import (
    AlignedResponses as AlignedResponses,
    HrtfInterpolator as HrtfInterpolator,
)
from .hrtf.sofa import read_hrtf as read_hrtf
from .presets import approach as approach, constant as constant, fly_by as fly_by, orbit as orbit
from .render.hrtf_renderer import HrtfRenderer as HrtfRenderer
from .renderers import (
    RENDERERS as RENDERERS,
    NeuralOptions as NeuralOptions,
    Renderer as Renderer,
    RendererStream as RendererStream,
    RenderOptions as RenderOptions,
    check_renderer as check_renderer,
    load_renderer as load_renderer,
)
from .room.shoebox import ShoeBox as ShoeBox
from .scenes import Source as Source, read_scene as read_scene, sources_of as sources_of
from .trajectories import Trajectory as Trajectory
from .trajectory_files import read_tracked as read_tracked, read_trajectory as read_trajectory
from .trajectory_options import TrajectoryOptions as TrajectoryOptions
