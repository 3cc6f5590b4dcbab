"""The words of the grammar: directions, distances, listeners, verbs of motion, and their guards.

A word that points somewhere has to be understood, or stand in a fixed name of a sound such as
"right whale" or "front door" (`NAMES`); `CRITICAL` lists these words. So a direction is never lost
in silence.
"""

import re


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


LISTENER = (
    "me", "us", "you", "myself", "the listener", "the head", "the user", "the viewer", "the player",
    "the camera", "the audience", "my head", "your head", "my body", "your body",
    "the listener's head", "the microphone", "my position", "my seat",
)  # fmt: skip
POSSESSIVES = ("my", "your", "our", "the listener's", "the user's", "the viewer's", "the")

SIDES = {"left": 1, "right": -1}
DEPTHS = {"front": 1, "back": -1, "rear": -1, "center": 1, "middle": 1}
COMPASS = {  # azimuth; north is ahead
    "north": 0.0, "northwest": 45.0, "west": 90.0, "southwest": 135.0,
    "south": 180.0, "southeast": -135.0, "east": -90.0, "northeast": -45.0,
}  # fmt: skip

DETERMINERS = word_set("a an the some another my your our his her their its")
RELATIONS = word_set("behind above below beneath under underneath")
"""Prepositions that can relate a sound to something else than the listener."""
PREPOSITIONS = word_set("on at to from in toward into onto by")
LEADS = {  # adverbs before a direction, and their effect
    "slightly": "slight", "a little": "slight", "a little bit": "slight", "a bit": "slight",
    "a touch": "slight", "somewhat": "slight", "half": "slight", "just slightly": "slight",
    "far": "far", "far off": "far", "far away": "far", "way off": "far", "far out": "far",
    "near": "near", "close": "near", "nearby": "near", "close by": "near", "very close": "closest",
    "high": "high", "high up": "high", "up high": "high", "up": "up",
    "low": "low", "low down": "low", "down low": "low", "down": "down",
    "directly": "", "directly to": "", "right": "", "just": "", "immediately": "", "exactly": "",
    "straight": "", "dead": "", "due": "", "hard": "", "all the way": "", "completely": "",
    "off": "",
    "over": "", "out": "", "way": "", "somewhere": "", "mostly": "", "located": "",
    "positioned": "",
    "standing": "", "sitting": "", "placed": "", "coming": "", "comes": "", "come": "",
    "further": "",
    "heard": "", "starting": "", "beginning": "",
}  # fmt: skip
LEADS_BEFORE_PREPOSITIONS = frozenset(
    {"coming", "comes", "come", "heard", "off", "starting", "beginning"}
)

NOUNS_OF_SIDES = word_set(
    "side hand ear channel speaker headphone earphone earbud corner edge end flank"
)
SPACES = word_set(
    # whose left and right are the listener's
    "room scene mix image space field soundstage hall stereo sound church cave forest"
)
BODY = word_set(
    "head ear ears face nose shoulder shoulders back feet foot neck eyes eye side body chest hand "
    "hands hair arms arm path position"
)

FOLLOWERS = word_set(
    # words that can follow a direction; a noun cannot
    "a an the some and then while as is are was were there there's i i'm we it it's he she they "
    "my your our his her their in on at to from for with after before of by near close very far "
    "who that which meanwhile afterwards finally followed another one this these those also plus "
    "comes come coming plays playing sounds lasting starting every but next later through during "
    "toward away up down high low above below behind ahead slightly just about around over under "
    "across along past beside overhead everywhere together quietly loudly softly faintly slowly "
    "quickly fast again twice once constantly continuously simultaneously moving going passing or "
    "not please when"
)

NAMES = (  # fixed names of sounds, whose words are no directions
    "right whale", "right whales", "front door", "front doors", "back door", "back doors",
    "rear door", "right hand", "left hand", "right foot", "left foot", "left over", "left overs",
    "left turn", "right turn", "left wing", "right wing", "right away", "right now",
    "all right", "back yard", "back seat", "front yard", "front porch", "front gate", "front desk",
    "front row", "front wheel", "rear wheel", "back wheel", "rear window", "back room",
    "north wind", "south wind", "east wind", "west wind", "south american", "north american",
    "west african", "north sea", "middle east", "middle eastern", "middle of the night",
    "middle school", "west coast", "east coast", "country and western", "shopping center",
    "call center", "center court", "birthright", "human rights", "head over heels", "far east",
    "high above the", "east asian", "wild west", "old west", "warm front", "cold front",
    "side door", "side street", "taking off", "takes off", "going off", "goes off",
    "turning off", "side drum", "flip side", "south park", "copyright", "bright",
    "front loader", "rear end collision", "left alone", "degrees celsius", "degrees fahrenheit",
    "six degrees of separation", "front office", "back porch", "back gate", "port city",
    "busy port", "fishing port", "port workers", "bow and arrow", "bow tie", "violin bow",
    "stern voice", "stern teacher", "right handed", "left handed", "back alley", "back stage",
)  # fmt: skip

CRITICAL = word_set(
    "left right front rear ahead leftward rightward leftmost rightmost center middle north south "
    "east west northeast northwest southeast southwest northern southern eastern western "
    "clockwise counterclockwise degrees radians rad gradians o'clock azimuth elevation overhead "
    "bearing starboard astern abeam aft leeward windward upstage downstage opposite sideways "
    "diagonally perpendicular alongside zenith nadir hither yonder side sides underfoot doa "
    "horizon axis n e w ne nw se sw lefthand righthand nearside offside"
)
"""Words that point somewhere."""
CRITICAL_PHRASES = (
    "to port", "port bow", "port side", "port quarter", "on the bow", "off the bow", "at the stern",
    "at the back", "in the back", "to the back", "from the back", "on the back", "back on the",
    "back to the", "back in the", "back at the", "at the top",
    "from the top", "at the bottom", "from the bottom", "on top", "stage left", "stage right",
    "random direction", "random directions", "random place", "random places", "over there",
    "over here", "both ears", "one ear", "my ear", "each ear", "from here", "from there",
    "any direction", "some direction", "anywhere", "different directions", "different places",
    "another direction", "in my ears", "inside my head", "back and forth", "to and fro",
    "side to side", "ear to ear",
)  # fmt: skip

NEGATIONS = word_set(
    "not no without never none neither nor nothing nobody except excluding unless avoid isn't "
    "aren't don't doesn't won't can't isnt dont doesnt arent cannot nowhere wasn't weren't minus "
    "lacking absent instead rather"
)

CIRCLES = word_set(
    "circle circles circling circled orbit orbits orbiting revolve revolves revolving encircle "
    "encircles encircling swirl swirls swirling whirl whirls whirling spiral spirals spiraling"
)
PASSES = word_set("pass passes passing cross crosses crossing")
APPROACHES = word_set("approach approaches approaching nears nearing")
RECEDES = word_set("recede recedes receding retreat retreats retreating depart departs")


def verb_forms(verbs: str) -> frozenset[str]:
    """The verbs with their third person and their present participle: "fly flies flying"."""
    forms = set()
    for verb in verbs.split():
        stem = verb.removesuffix("e") if not verb.endswith("ee") else verb
        if re.fullmatch(r".*[^aeiou][aeiou][bdgmnpt]", verb) and verb not in _UNDOUBLED:
            stem = verb + verb[-1]
        third = verb + ("es" if verb.endswith(("sh", "s", "z", "o", "ch")) else "s")
        if re.fullmatch(r".*[^aeiou]y", verb):
            third = verb.removesuffix("y") + "ies"
        forms |= {verb, third, stem + "ing"}
    return frozenset(forms)


_UNDOUBLED = word_set(
    "wander lumber scuttle patter gallop canter stagger hover travel clatter rattle"
)
VEHICLES = verb_forms("drive race fly ride speed zoom whoosh rush sail gallop hurtle streak") | {
    "flew",
    "drove",
}
"""What goes on straight lines."""
_OTHER_MOVES = """
move walk run go travel come drift roll hurry march wander float swoop dart zip creep crawl glide
sweep pan slide hop jump skate cycle jog sprint stroll trot charge dash stampede soar buzz wheel
pull head step tiptoe swim row paddle taxi cruise rumble roar slither scurry chase bounce fall rise
climb descend ascend hover slip steam chug rattle drag push shuffle stomp stagger skip pace turn
spin rotate fade disappear vanish flow stream shoot trundle clatter sneak prowl stalk lumber waddle
canter hobble limp scuttle patter bolt
"""
MOVES = (
    VEHICLES | verb_forms(_OTHER_MOVES) | word_set("moved ran went walked whizz whizzes whizzing")
)

ROOMS = {  # nouns, and the room they are
    "outdoors": "outdoors", "outside": "outdoors", "open air": "outdoors", "field": "outdoors",
    "open field": "outdoors", "open": "outdoors", "garden": "outdoors", "park": "outdoors",
    "meadow": "outdoors", "desert": "outdoors", "mountains": "outdoors", "farm": "outdoors",
    "countryside": "outdoors", "jungle": "forest", "forest": "forest", "woods": "forest",
    "street": "street", "city street": "street", "alley": "street", "city": "street",
    "studio": "studio", "recording studio": "studio", "dead room": "studio",
    "bathroom": "bathroom", "shower": "bathroom", "small bathroom": "bathroom",
    "small room": "small room", "tiny room": "small room", "little room": "small room",
    "bedroom": "small room", "office": "small room", "kitchen": "small room",
    "closet": "small room", "small office": "small room", "small kitchen": "small room",
    "room": "room", "living room": "room", "classroom": "room", "indoors": "room",
    "inside": "room", "medium room": "room", "house": "room", "bar": "room", "cafe": "room",
    "large room": "large room", "big room": "large room", "huge room": "large room",
    "restaurant": "large room", "library": "large room", "lobby": "large room",
    "hall": "hall", "hallway": "hall", "small hall": "hall", "auditorium": "hall",
    "theater": "hall", "theatre": "hall", "school hall": "hall", "ballroom": "hall",
    "large hall": "large hall", "big hall": "large hall", "huge hall": "large hall",
    "concert hall": "large hall", "large concert hall": "large hall", "gym": "large hall",
    "gymnasium": "large hall", "warehouse": "large hall", "train station": "large hall",
    "great hall": "large hall", "arena": "large hall", "factory": "large hall",
    "church": "church", "chapel": "church", "small church": "church", "large church": "cathedral",
    "big church": "cathedral", "cathedral": "cathedral", "huge cathedral": "cathedral",
    "large cathedral": "cathedral", "stairwell": "stairwell", "staircase": "stairwell",
    "garage": "garage", "parking garage": "garage", "car park": "garage", "basement": "garage",
    "tunnel": "tunnel", "subway tunnel": "tunnel", "long tunnel": "tunnel",
    "cave": "cave", "large cave": "cave", "big cave": "cave", "cavern": "cave", "deep cave": "cave",
}  # fmt: skip

LEVELS = {  # dB
    "loud": 6.0, "loudly": 6.0, "very loud": 10.0, "very loudly": 10.0, "really loud": 10.0,
    "deafening": 10.0, "extremely loud": 10.0, "quiet": -6.0, "quietly": -6.0, "soft": -6.0,
    "softly": -6.0, "gently": -6.0, "very quiet": -12.0, "very quietly": -12.0, "very soft": -12.0,
    "very softly": -12.0, "faint": -12.0, "faintly": -12.0, "really quiet": -12.0,
    "very faint": -20.0, "very faintly": -20.0, "barely audible": -20.0, "barely audibly": -20.0,
    "muted": -12.0, "subtle": -12.0, "fairly quiet": -6.0, "fairly loud": 6.0,
}  # fmt: skip
DISTANCES = {  # m
    "near": 1.0, "nearby": 1.0, "close": 1.0, "close by": 1.0, "close to me": 1.0, "near me": 1.0,
    "up close": 0.7, "very close": 0.5, "very near": 0.5, "really close": 0.5,
    "very close to me": 0.5, "right next to me": 0.5, "next to me": 0.5, "beside me": 0.5,
    "by my side": 0.5, "at my side": 0.5, "alongside me": 0.5, "close beside me": 0.5,
    "within arm's reach": 0.7, "at arm's length": 0.7, "an arm's length away": 0.7,
    "far": 15.0, "far off": 30.0, "far away": 30.0, "far away from me": 30.0,
    "in the distance": 30.0, "in the far distance": 60.0, "distant": 30.0,
    "off in the distance": 30.0,
    "at a distance": 15.0, "from a distance": 15.0, "from far away": 30.0, "from afar": 30.0,
    "very far": 60.0, "very far away": 60.0, "far far away": 60.0, "very distant": 60.0,
    "in the background": 10.0, "in the foreground": 1.5, "on the horizon": 200.0,
    "from nearby": 1.0,
    "from up close": 0.7, "far in the distance": 60.0, "further away": 15.0,
    "some distance away": 15.0,
}  # fmt: skip
EVERYWHERE = (
    "all around", "all around me", "all around us", "all around you", "around me", "around us",
    "around you", "around my head", "around the listener", "everywhere", "everywhere around me",
    "from everywhere", "from all around", "from all around me", "from all sides",
    "from all directions", "from every direction", "from every side", "on all sides", "all over",
    "surrounding me", "surrounds me", "surround me", "that surrounds me", "on every side",
    "in all directions", "all around the room", "all around the listener", "all round",
    "all round me", "enveloping me", "coming from all sides", "coming from everywhere",
    "coming from all directions", "surrounding us", "surrounded by",
)  # fmt: skip
CONTINUOUS = (
    "constant", "constantly", "continuous", "continuously", "nonstop", "non-stop", "endless",
    "endlessly", "looping", "looped", "in a loop", "on a loop", "on loop", "throughout",
    "the whole time", "all the time", "ongoing", "the entire time", "in a continuous loop",
    "incessant", "incessantly", "steady", "steadily",
)  # fmt: skip
COUNTS = {
    "a couple of": 2, "a couple": 2, "a pair of": 2, "several": 4, "a few": 3, "many": 6,
    "lots of": 6, "a lot of": 6, "a dozen": 12, "a handful of": 4, "a single": 1, "multiple": 4,
    "numerous": 6, "half a dozen": 6,
}  # fmt: skip
MIRRORED = {"left": "right", "right": "left", "leftward": "rightward", "rightward": "leftward"}
SOUND_NOUNS = word_set(
    "rain wind thunder birds bird music traffic waves crickets insects people crowd water river "
    "stream fire bells dogs cats frogs voices footsteps applause laughter drums guitar piano "
    "violin violins flute flutes choir owls owl crows gulls seagulls sheep cows hens cars trains "
    "sirens helicopters airplanes engines rainfall thunderstorm storm leaves surf brook waterfall "
    "bees cicadas children snow hail chatter talking singing whispering clapping trumpet trumpets "
    "bass synth strings cello birdsong horses wolves chimes fireworks gunfire gunshots hammering"
)
"""Sounds that can stand after "and" or "with" without an article."""
NUMBERED = frozenset({707, 727, 737, 747, 757, 767, 777, 787, 808, 909})
"""Numbers that are names."""
SILENT = word_set(
    "stop stops stopping end ends ending halt halts halting pause pauses pausing arrive arrives "
    "arriving stand stands standing wait waits waiting start starts starting begin begins "
    "beginning disappears disappearing vanishes vanishing fades fading"
)
"""Verbs that are no sound."""
PHRASAL = word_set(
    "back backs backing pull pulls pulling start starts starting speed speeds speeding warm warms "
    "warming power powers powering rev revs revving wind winds winding slow slows slowing shut "
    "shuts shutting break breaks breaking cool cools cooling sit sits sitting lie lies lying wake "
    "wakes waking get gets getting pick picks picking clean cleans cleaning tune tunes tuning "
    "wash washing climb climbs climbing blow blows blowing fire fires firing write writes writing "
    "boot boots booting build builds building set sets setting"
)
"""Verbs whose "up" and "down" are no directions."""
METERS = {
    **dict.fromkeys(("m", "meter", "meters"), 1.0),
    **dict.fromkeys(("cm", "centimeter", "centimeters"), 0.01),
    **dict.fromkeys(("mm", "millimeter", "millimeters"), 0.001),
    **dict.fromkeys(("km", "kilometer", "kilometers"), 1000.0),
    **dict.fromkeys(("ft", "foot", "feet"), 0.3048),
    **dict.fromkeys(("inch", "inches"), 0.0254),
    **dict.fromkeys(("yd", "yard", "yards"), 0.9144),
    **dict.fromkeys(("mi", "mile", "miles"), 1609.344),
}
SECONDS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1.0),
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), 0.001),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), 60.0),
    **dict.fromkeys(("h", "hour", "hours"), 3600.0),
}
