"""What a person would reach for instead: FFmpeg's stereo filters on a mono file, through PyAV."""

from pathlib import Path

import av

FILTERS = {
    "ffmpeg haas": "haas",
    "ffmpeg adecorrelate": "adecorrelate",
    "ffmpeg stereowiden": "stereowiden",
    "ffmpeg extrastereo": "extrastereo",
}


def filter_file(name: str, source: Path, target: Path) -> None:
    """Run one filter, with its default options, from a mono WAV to a stereo WAV in float."""
    with av.open(str(source)) as incoming, av.open(str(target), "w", format="wav") as outgoing:
        stream = incoming.streams.audio[0]
        graph = av.filter.Graph()
        entry = graph.add_abuffer(template=stream)
        # the filters take two channels; FFmpeg's own conversion would make the mono 3 dB quieter
        chain = [
            graph.add("pan", "stereo|c0=c0|c1=c0"),
            graph.add("aformat", "sample_fmts=flt:channel_layouts=stereo"),
            graph.add(FILTERS[name]),
            graph.add("aformat", "sample_fmts=flt:channel_layouts=stereo"),
            graph.add("abuffersink"),
        ]
        graph.link_nodes(entry, *chain).configure()
        sink = outgoing.add_stream("pcm_f32le", rate=stream.rate, layout="stereo")

        def drain() -> None:
            while True:
                try:
                    frame = graph.pull()
                except (av.error.BlockingIOError, av.error.EOFError):
                    return
                frame.pts = None
                outgoing.mux(sink.encode(frame))

        for frame in incoming.decode(stream):
            graph.push(frame)
            drain()
        graph.push(None)
        drain()
        outgoing.mux(sink.encode(None))
