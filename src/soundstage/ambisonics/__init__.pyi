from .conventions import CONVENTIONS, channels_of, describe, from_ambix, order_of, to_ambix
from .encoding import control_points, encode
from .field_formats import FieldFormat, field_format, field_mark, is_field
from .harmonics import even_directions, harmonics, to_direction
from .intensity import FieldDirection, direction_of, energy_by_direction
from .loudspeakers import LAYOUTS, Layout, decoding_matrix, find_layout
from .near_field import NearField
from .rotation import RotationStream, head_rotation, mirror, rotation_matrix
from .stereo_decoding import cardioids, search_azimuths

__all__ = [
    "CONVENTIONS",
    "LAYOUTS",
    "FieldDirection",
    "FieldFormat",
    "Layout",
    "NearField",
    "RotationStream",
    "cardioids",
    "channels_of",
    "control_points",
    "decoding_matrix",
    "describe",
    "direction_of",
    "encode",
    "energy_by_direction",
    "even_directions",
    "field_format",
    "field_mark",
    "find_layout",
    "from_ambix",
    "harmonics",
    "head_rotation",
    "is_field",
    "mirror",
    "order_of",
    "rotation_matrix",
    "search_azimuths",
    "to_ambix",
    "to_direction",
]
