"""Diffusion models: schedules, training objective, denoisers and samplers.

Tensors of any shape, with the batch axis first.

- `schedules`: noise schedules and times of sampling
- `denoiser`: models of any parametrization (noise, clean, v, flow) as estimates of the clean data
- `objectives`: noised batches and their loss
- `guidance`: classifier-free guidance
- `samplers`: DDIM, Euler, ancestral, DPM-Solver++(2M), Heun
- `noise`: noise that depends on the seed and the position alone; offset noise
- `windows`, `continuation`: sequences longer than a model's window, together or one after the other
"""

from lazy_loader import attach_stub

__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
