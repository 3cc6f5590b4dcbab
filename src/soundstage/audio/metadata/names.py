"""Names of tags in the containers, and ours for them: (ours, ID3v2.4, RIFF INFO, MP4, FFmpeg)."""

_TABLE = """
title            TIT2  INAM  ©nam  title
artist           TPE1  IART  ©ART  artist
album            TALB  IPRD  ©alb  album
albumartist      TPE2  -     aART  album_artist
date             TDRC  ICRD  ©day  date
genre            TCON  IGNR  ©gen  genre
comment          COMM  ICMT  ©cmt  comment
copyright        TCOP  ICOP  cprt  copyright
encoder          TSSE  ISFT  ©too  encoder
lyrics           USLT  -     ©lyr  lyrics
composer         TCOM  IMUS  ©wrt  composer
lyricist         TEXT  IWRI  -     lyricist
conductor        TPE3  -     -     -
remixer          TPE4  -     -     -
publisher        TPUB  IPUB  -     publisher
encodedby        TENC  ITCH  ©enc  encoded_by
bpm              TBPM  -     -     -
key              TKEY  -     -     -
isrc             TSRC  -     -     -
language         TLAN  ILNG  -     language
grouping         TIT1  -     ©grp  grouping
subtitle         TIT3  -     -     -
media            TMED  IMED  -     -
mood             TMOO  -     -     -
albumsort        TSOA  -     soal  album-sort
artistsort       TSOP  -     soar  artist-sort
titlesort        TSOT  -     sonm  title-sort
albumartistsort  TSO2  -     soaa  sort_album_artist
composersort     TSOC  -     soco  sort_composer
originaldate     TDOR  -     -     -
releasedate      TDRL  -     -     -
originalartist   TOPE  -     -     -
originalalbum    TOAL  -     -     -
discsubtitle     TSST  -     -     -
engineer         -     IENG  -     -
subject          -     ISBJ  -     -
keywords         -     IKEY  keyw  keywords
archivallocation -     IARL  -     -
commissioned     -     ICMS  -     -
source           -     ISRC  -     -
description      -     -     desc  description
longdescription  -     -     ldes  synopsis
show             -     -     tvsh  show
work             -     -     ©wrk  -
movementname     -     -     ©mvn  -
"""

_ROWS = [line.split() for line in _TABLE.strip().splitlines()]


def _column(index: int) -> dict[str, str]:
    return {row[0]: row[index] for row in _ROWS if row[index] != "-"}


ID3 = _column(1)
INFO = _column(2)
MP4 = _column(3)
FFMPEG = _column(4) | {"tracknumber": "track", "discnumber": "disc"}

FROM_ID3 = {theirs: ours for ours, theirs in ID3.items()}
FROM_INFO = {theirs: ours for ours, theirs in INFO.items()} | {
    "ITRK": "tracknumber",
    "IPRT": "tracknumber",
    "TRCK": "tracknumber",
    "YEAR": "date",
    "ICNT": "country",
}
FROM_MP4 = {theirs: ours for ours, theirs in MP4.items()} | {"©swr": "encoder"}
FROM_FFMPEG = {theirs.casefold(): ours for ours, theirs in FFMPEG.items()} | {
    "year": "date",
    "part_number": "tracknumber",
    "lyrics-xxx": "lyrics",
    "software": "encoder",
}

ALIASES = {  # names that Vorbis comments and APE tags use for the same
    "year": "date",
    "track": "tracknumber",
    "disc": "discnumber",
    "totaltracks": "tracktotal",
    "totaldiscs": "disctotal",
    "album artist": "albumartist",
    "album_artist": "albumartist",
    "unsyncedlyrics": "lyrics",
    "software": "encoder",
    "comments": "comment",
    "encoded-by": "encodedby",
    "encoded_by": "encodedby",
    "initialkey": "key",
}

BEXT = (  # FFmpeg's names of the fields of a bext chunk
    *("description", "originator", "originator_reference", "origination_date"),
    *("origination_time", "time_reference", "coding_history"),
)

_GENRE_LIST = (  # of ID3v1, by number
    "Blues|Classic Rock|Country|Dance|Disco|Funk|Grunge|Hip-Hop|Jazz|Metal|New Age|Oldies|Other|Pop"
    "|R&B|Rap|Reggae|Rock|Techno|Industrial|Alternative|Ska|Death Metal|Pranks|Soundtrack"
    "|Euro-Techno|Ambient|Trip-Hop|Vocal|Jazz+Funk|Fusion|Trance|Classical|Instrumental|Acid|House"
    "|Game|Sound Clip|Gospel|Noise|Alternative Rock|Bass|Soul|Punk|Space|Meditative"
    "|Instrumental Pop|Instrumental Rock|Ethnic|Gothic|Darkwave|Techno-Industrial|Electronic"
    "|Pop-Folk|Eurodance|Dream|Southern Rock|Comedy|Cult|Gangsta|Top 40|Christian Rap|Pop/Funk"
    "|Jungle|Native American|Cabaret|New Wave|Psychedelic|Rave|Showtunes|Trailer|Lo-Fi|Tribal"
    "|Acid Punk|Acid Jazz|Polka|Retro|Musical|Rock & Roll|Hard Rock"
)
GENRES = _GENRE_LIST.split("|")


def canonical(name: str) -> str:
    """Our name of a Vorbis comment or APE tag."""
    folded = name.casefold()
    folded = ALIASES.get(folded, folded)
    known = folded in ID3 or folded in INFO or folded in MP4 or folded in BEXT
    return folded if known or folded in NUMBERS else name


def genre(number: int) -> str:
    """The genre of a number of ID3v1."""
    return GENRES[number] if 0 <= number < len(GENRES) else str(number)


NUMBERS = ("tracknumber", "tracktotal", "discnumber", "disctotal")
