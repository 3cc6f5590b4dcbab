"""Pages in one file: templates with style, scripts, images and sound embedded.

The content security policy allows no other script and no requests, whatever the names of files and
systems contain.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from soundstage.errors import missing_extra


def render_page(
    template: str,
    context: Mapping[str, object],
    *,
    scripts: Sequence[str],
    package: str = __package__,
) -> str:
    """Fill a template; all values are escaped.

    Args:
        template: name of a file in `package`. Templates of this package can be imported in it.
        context: variables of the template.
        scripts: names of the scripts of this package that the page embeds.
        package: where the template is.

    Raises:
        OptionError: jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, FunctionLoader, StrictUndefined
    except ModuleNotFoundError as error:
        raise missing_extra("eval", "jinja2", "The page") from error
    environment = Environment(
        loader=FunctionLoader(lambda name: _text(package if name == template else "", name)),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    embedded = [_text("", name) for name in scripts]
    return environment.get_template(template).render(
        context,
        css=_text("", "style.css"),
        scripts=embedded,
        script_sources=" ".join(map(_digest, embedded)),
    )


@cache
def _text(package: str, name: str) -> str:
    """Text of a file of a package, by default of this one."""
    return files(package or __package__).joinpath(name).read_text(encoding="utf-8")


def _digest(script: str) -> str:
    """The source expression that allows a script in a content security policy."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    return f"'sha256-{digest}'"
