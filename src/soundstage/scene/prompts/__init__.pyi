from .parse import parse_prompt
from .template import parse_template, template_prompt

__all__ = ["parse_prompt", "parse_template", "template_prompt"]
