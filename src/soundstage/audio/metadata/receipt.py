"""What arrived in a written file, found by reading it back, and what did not.

Everything that the source held is in one of the two lists: a thing is carried if the finished file
gives it back, and lost otherwise.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from soundstage.audio.formats import MEDIA_CONTAINERS
from soundstage.audio.metadata.carrying import WAVES, stands_for_markers, storable
from soundstage.audio.metadata.flac import MAX_BLOCK
from soundstage.audio.metadata.model import Block, Lost, Metadata, Picture

_CLOSE = 0.002  # s by which containers round the times of chapters
_NAMES = {"MATROSKA": "Matroska", "WEBM": "WebM", "OGG": "Ogg"}
_MARKED = (*WAVES, "AIFF", "CAF")
_PICTURED = (*WAVES, "AIFF", "MP3", "FLAC", "OGG", "MP4", "MOV", "MATROSKA")


@dataclass(frozen=True)
class Receipt:
    """What of a source's metadata its result holds.

    Attributes:
        carried: such as "12 tags", "cover art (JPEG, 48 kB)", "bext".
        lost: what the result does not hold, with the reason.
    """

    carried: tuple[str, ...] = ()
    lost: tuple[Lost, ...] = ()

    @property
    def not_carried(self) -> tuple[str, ...]:
        """What was lost, as sentences: "cue points: Ogg files cannot hold them"."""
        return tuple(str(each) for each in self.lost)


def make_receipt(
    wanted: Metadata,
    written: Metadata,
    container: str,
    *,
    left_out: Iterable[Lost] = (),
) -> Receipt:
    """Compare what should be in a file with what is.

    Args:
        wanted: what was to be written.
        written: what the file holds.
        container: of the file.
        left_out: what of the source was not to be written.
    """
    account = _Account(_NAMES.get(container, container))
    account.tags(wanted, written)
    account.languages(wanted, written)
    for picture in wanted.pictures:
        found = any(each.data == picture.data for each in written.pictures)
        account.book(found, str(picture), _why_no_picture(picture, container))
    if wanted.chapters:
        account.book(
            _same_chapters(wanted, written),
            _counted(len(wanted.chapters), "chapter"),
            "{} files cannot hold them",
        )
    _book_markers(account, wanted, written, container)
    if wanted.bext:
        same = (written.bext or b"").rstrip(b"\0") == wanted.bext.rstrip(b"\0")
        account.book(same, "bext", "it could not be written")
    held = {_key(block) for block in written.blocks}
    for block in wanted.blocks:
        if not (stands_for_markers(block) and wanted.markers):
            account.book(_key(block) in held, str(block), _why_no_block(block, container))
    kept = Counter(written.streams)
    for stream in wanted.streams:
        account.book(kept[stream] > 0, stream, _why_no_stream(stream, container))
        kept[stream] -= 1
    return Receipt(tuple(account.carried), (*account.lost, *left_out))


class _Account:
    def __init__(self, name: str) -> None:
        self.carried: list[str] = []
        self.lost: list[Lost] = []
        self._name = name

    def book(self, found: bool, what: str, why: str) -> None:
        if found:
            self.carried.append(what)
        else:
            self.lost.append(Lost(what, why.format(self._name)))

    def tags(self, wanted: Metadata, written: Metadata) -> None:
        held = {_folded(name): values for name, values in written.tags.items()}
        ours = [name for name in wanted.tags if name != "encoder"]
        kept = [n for n in ours if _holds(held.get(_folded(n), ()), wanted.tags[n])]
        if kept:
            self.carried.append(_counted(len(kept), "tag"))
        missing = [name for name in ours if name not in kept]
        if missing:
            what = f"{'tag' if len(missing) == 1 else 'tags'} {', '.join(missing)}"
            self.lost.append(Lost(what, f"{self._name} files have no place for them"))

    def languages(self, wanted: Metadata, written: Metadata) -> None:
        """Name the languages that are gone, of tags that are there."""
        missing: dict[str, list[str]] = {}
        kept = {(_folded(name), value): v for (name, value), v in written.languages.items()}
        for (name, value), codes in wanted.languages.items():
            held = next((v for n, v in written.tags.items() if _folded(n) == _folded(name)), ())
            if not _holds(held, wanted.tags.get(name, ("",))):  # lost as a whole, or not wanted
                continue
            for code in codes:
                if code not in kept.get((_folded(name), value), ()):
                    missing.setdefault(name, []).append(code)
        for name, found in missing.items():
            what = f"language of {name} ({', '.join(dict.fromkeys(found))})"
            self.lost.append(Lost(what, f"{self._name} files have no place for it"))


def _folded(name: str) -> str:
    """A name without what containers change in it."""
    return name.casefold().replace(" ", "_")


def _holds(values: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    """Whether a tag has all values, which some containers hold as one text."""
    joined = "; ".join(wanted)
    return set(wanted) <= set(values) or joined in values or "\n".join(wanted) in values


def _same_chapters(wanted: Metadata, written: Metadata) -> bool:
    return len(wanted.chapters) == len(written.chapters) and all(
        abs(one.start - other.start) <= _CLOSE and one.title == other.title
        for one, other in zip(wanted.chapters, written.chapters, strict=True)
    )


def _book_markers(account: _Account, wanted: Metadata, written: Metadata, container: str) -> None:
    if not wanted.markers:
        return
    what = _counted(len(wanted.markers), "cue point")
    why = "{} files cannot hold them"
    if container in _MARKED:
        why = "they could not be written"
    places = [(m.frame, m.label) for m in wanted.markers]
    account.book(places == [(m.frame, m.label) for m in written.markers], what, why)
    notes = [m for m in wanted.markers if m.note or m.length]
    if notes and container in _MARKED and list(wanted.markers) != list(written.markers):
        account.book(False, "notes and lengths of cue points", "{} files cannot hold them")


def _key(block: Block) -> tuple[str, str, bytes]:
    return block.family, block.name, block.data.rstrip(b"\0")


def _why_no_picture(picture: Picture, container: str) -> str:
    if container == "FLAC" and len(picture.data) > MAX_BLOCK:
        return "a picture in {} has 16 MB at most"
    if picture.is_address:
        return "{} files hold no addresses of pictures"
    if container in _PICTURED:
        return "it could not be written"
    return "{} files cannot hold pictures"


def _why_no_block(block: Block, container: str) -> str:
    if storable(block, container):
        return "it could not be written"
    return "{} files have no place for it"


def _why_no_stream(stream: str, container: str) -> str:
    if container not in MEDIA_CONTAINERS:
        return "{} files hold sound only"
    return "it could not be copied into a {} file"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("s" if number != 1 else "")
