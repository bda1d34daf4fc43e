"""Vocabulary: the words that the studio knows, and their meanings."""

from __future__ import annotations

from dataclasses import dataclass

GENRE_WORDS: dict[str, str] = {
    "piano ballad": "piano ballad", "ballad": "piano ballad", "piano": "piano ballad",
    "lo fi": "lo-fi", "lofi": "lo-fi", "chillhop": "lo-fi", "chill beats": "lo-fi",
    "study beats": "lo-fi", "chill": "lo-fi",
    "techno": "techno", "rave": "techno", "industrial": "techno", "acid": "techno",
    "house": "house", "deep house": "house", "edm": "house", "dance": "house",
    "club": "house", "electronic": "house", "electronica": "house", "trance": "trance",
    "disco": "disco", "funk": "funk", "funky": "funk", "soul": "soul", "r b": "soul",
    "rnb": "soul", "gospel": "soul", "motown": "soul",
    "ambient": "ambient", "meditation": "ambient", "drone": "ambient", "new age": "ambient",
    "sleep": "ambient", "soundscape": "ambient", "spa": "ambient", "yoga": "ambient",
    "rock": "rock", "punk": "rock", "grunge": "rock", "indie rock": "rock", "garage": "rock",
    "rock and roll": "rock", "metal": "metal", "heavy metal": "metal", "thrash": "metal",
    "djent": "metal", "hardcore": "metal", "jazz": "jazz", "jazzy": "jazz", "swing": "jazz",
    "bebop": "jazz", "big band": "jazz", "smooth jazz": "jazz",
    "folk": "folk", "celtic": "folk", "irish": "folk", "medieval": "folk",
    "singer songwriter": "acoustic", "acoustic": "acoustic", "unplugged": "acoustic",
    "campfire": "acoustic", "classical": "classical", "baroque": "classical",
    "sonata": "classical", "string quartet": "classical", "mozart": "classical",
    "orchestral": "cinematic", "orchestra": "cinematic", "cinematic": "cinematic",
    "soundtrack": "cinematic", "film score": "cinematic", "movie": "cinematic",
    "trailer": "cinematic", "symphonic": "cinematic", "symphony": "cinematic", "epic": "cinematic",
    "synthwave": "synthwave", "80s": "synthwave", "retrowave": "synthwave",
    "eighties": "synthwave", "outrun": "synthwave", "synth pop": "synthwave",
    "synthpop": "synthwave", "vaporwave": "synthwave", "new wave": "synthwave",
    "cyberpunk": "synthwave", "hip hop": "hip hop", "hiphop": "hip hop", "rap": "hip hop",
    "boom bap": "hip hop", "trap": "trap", "drill": "trap", "phonk": "trap",
    "reggae": "reggae", "dub": "reggae", "ska": "reggae", "dancehall": "reggae",
    "waltz": "waltz", "3 4": "waltz", "march": "march", "marching": "march",
    "military": "march", "anthem": "march", "parade": "march", "hymn": "hymn",
    "church": "hymn", "choral": "hymn", "sacred": "hymn", "bossa nova": "bossa nova",
    "bossa": "bossa nova", "samba": "bossa nova", "latin": "latin", "salsa": "latin",
    "mambo": "latin", "rumba": "latin", "tango": "latin", "flamenco": "latin",
    "cumbia": "latin", "mariachi": "latin", "drum and bass": "drum and bass",
    "drum n bass": "drum and bass", "drum bass": "drum and bass", "dnb": "drum and bass",
    "jungle": "drum and bass", "breakbeat": "drum and bass", "blues": "blues",
    "bluesy": "blues", "country": "country", "bluegrass": "country", "western": "country",
    "americana": "country", "nashville": "country", "chiptune": "chiptune",
    "8 bit": "chiptune", "8bit": "chiptune", "video game": "chiptune", "arcade": "chiptune",
    "retro game": "chiptune", "lullaby": "lullaby", "music box": "lullaby", "pop": "pop",
    "k pop": "pop", "indie": "pop", "indie pop": "pop", "love song": "pop",
    "christmas": "pop", "summer hit": "pop",
}  # fmt: skip

# A word that names an instrument or a feeling as much as a genre gives way to a plainer one.
WEAK_GENRES = {"piano", "epic", "chill", "dance", "electronic", "acoustic", "indie", "swing",
               "orchestra", "anthem", "church", "summer hit", "love song", "soul", "sleep",
               "house", "garage", "industrial", "movie", "spa", "symphonic", "orchestral",
               "retro game", "club", "rap", "music box"}  # fmt: skip


@dataclass(frozen=True)
class Mood:
    """`valence` -1 (sorrow) to 1 (joy); `arousal` -1 (still) to 1 (wild)."""

    label: str
    valence: float
    arousal: float


SAD = Mood("Sad", -0.8, -0.4)
HAPPY = Mood("Happy", 0.9, 0.4)
DARK = Mood("Dark", -0.7, 0.1)
DREAMY = Mood("Dreamy", 0.3, -0.5)
ENERGETIC = Mood("Energetic", 0.4, 0.9)
CALM = Mood("Calm", 0.3, -0.8)
EPIC = Mood("Epic", 0.0, 0.7)
ROMANTIC = Mood("Romantic", 0.4, -0.3)
NOSTALGIC = Mood("Nostalgic", -0.1, -0.3)
ANGRY = Mood("Aggressive", -0.6, 0.9)
HOPEFUL = Mood("Uplifting", 0.8, 0.3)
MYSTERIOUS = Mood("Mysterious", -0.4, -0.2)
PLAYFUL = Mood("Playful", 0.8, 0.5)

MOOD_WORDS: dict[str, Mood] = {
    **dict.fromkeys(("sad", "melancholy", "melancholic", "heartbreak", "heartbroken", "sorrow",
                     "crying", "tears", "lonely", "grief", "mournful", "tragic", "lost", "rainy",
                     "rain", "blue", "goodbye", "farewell", "gloomy"), SAD),
    **dict.fromkeys(("happy", "joyful", "joy", "cheerful", "sunny", "bright", "fun", "summer",
                     "smile", "birthday", "celebration", "feel good", "carefree", "merry"), HAPPY),
    **dict.fromkeys(("dark", "sinister", "evil", "horror", "scary", "haunted", "gothic",
                     "menacing", "brooding", "ominous", "spooky", "midnight"), DARK),
    **dict.fromkeys(("dreamy", "dream", "dreams", "ethereal", "floating", "space", "stars",
                     "starry", "cosmic", "hazy", "moon", "moonlight", "ocean", "underwater",
                     "clouds", "atmospheric", "neon"), DREAMY),
    **dict.fromkeys(("energetic", "energy", "upbeat", "driving", "powerful", "workout", "party",
                     "pumping", "running", "exciting", "intense", "festival", "hype",
                     "danceable"), ENERGETIC),
    **dict.fromkeys(("calm", "relaxing", "relaxed", "peaceful", "gentle", "soft", "soothing",
                     "quiet", "tranquil", "serene", "mellow", "chill", "cozy", "cosy", "sleepy",
                     "sleep", "study", "tender", "warm", "forest", "meditation"), CALM),
    **dict.fromkeys(("epic", "heroic", "majestic", "battle", "grand", "glorious", "triumphant",
                     "adventure", "victory", "dragon", "war", "legend"), EPIC),
    **dict.fromkeys(("romantic", "love", "romance", "wedding", "sensual", "kiss", "intimate",
                     "candlelight", "sweet"), ROMANTIC),
    **dict.fromkeys(("nostalgic", "nostalgia", "memories", "memory", "vintage", "old", "autumn",
                     "retro", "bittersweet", "longing", "wistful"), NOSTALGIC),
    **dict.fromkeys(("angry", "aggressive", "rage", "brutal", "fierce", "furious", "violent",
                     "heavy"), ANGRY),
    **dict.fromkeys(("uplifting", "hopeful", "hope", "inspiring", "inspirational",
                     "motivational", "optimistic", "sunrise", "freedom", "spring"), HOPEFUL),
    **dict.fromkeys(("mysterious", "mystery", "eerie", "enigmatic", "noir", "suspense",
                     "desert", "mystic", "mystical", "winter"), MYSTERIOUS),
    **dict.fromkeys(("playful", "quirky", "funny", "silly", "cute", "bouncy", "kids",
                     "children", "cartoon", "groovy"), PLAYFUL),
}  # fmt: skip

# word -> (instrument, role, category); roles: comp, lead, pad, bass
INSTRUMENT_WORDS: dict[str, tuple[str, str, str]] = {
    "piano": ("piano", "comp", "Piano"), "grand piano": ("piano", "comp", "Piano"),
    "keys": ("electric piano", "comp", "Keys"), "rhodes": ("electric piano", "comp", "Rhodes"),
    "electric piano": ("electric piano", "comp", "Electric piano"),
    "guitar": ("steel guitar", "comp", "Guitar"), "guitars": ("steel guitar", "comp", "Guitar"),
    "acoustic guitar": ("steel guitar", "comp", "Acoustic guitar"),
    "classical guitar": ("nylon guitar", "comp", "Classical guitar"),
    "spanish guitar": ("nylon guitar", "comp", "Spanish guitar"),
    "nylon guitar": ("nylon guitar", "comp", "Nylon guitar"),
    "ukulele": ("ukulele", "comp", "Ukulele"), "banjo": ("banjo", "comp", "Banjo"),
    "electric guitar": ("crunch guitar", "comp", "Electric guitar"),
    "distorted guitar": ("heavy guitar", "comp", "Electric guitar"),
    "harp": ("harp", "comp", "Harp"), "harpsichord": ("harpsichord", "comp", "Harpsichord"),
    "strings": ("strings", "pad", "Strings"), "violins": ("strings", "pad", "Strings"),
    "string section": ("strings", "pad", "Strings"), "violin": ("violin", "lead", "Violin"),
    "fiddle": ("fiddle", "lead", "Fiddle"), "cello": ("cello lead", "lead", "Cello"),
    "flute": ("flute", "lead", "Flute"), "whistle": ("flute", "lead", "Whistle"),
    "clarinet": ("clarinet", "lead", "Clarinet"), "oboe": ("clarinet", "lead", "Oboe"),
    "saxophone": ("saxophone", "lead", "Saxophone"), "sax": ("saxophone", "lead", "Saxophone"),
    "trumpet": ("trumpet", "lead", "Trumpet"), "brass": ("horn", "lead", "Brass"),
    "horn": ("horn", "lead", "Horn"), "horns": ("horn", "lead", "Brass"),
    "harmonica": ("melodica", "lead", "Harmonica"), "accordion": ("melodica", "lead", "Accordion"),
    "melodica": ("melodica", "lead", "Melodica"),
    "organ": ("organ", "pad", "Organ"), "church organ": ("church organ", "pad", "Organ"),
    "choir": ("choir", "pad", "Choir"), "pad": ("warm pad", "pad", "Pads"),
    "pads": ("warm pad", "pad", "Pads"), "bells": ("glass bells", "lead", "Bells"),
    "bell": ("glass bells", "lead", "Bells"), "chimes": ("glass bells", "lead", "Bells"),
    "glockenspiel": ("music box", "lead", "Glockenspiel"),
    "celesta": ("music box", "lead", "Celesta"), "music box": ("music box", "lead", "Music box"),
    "vibraphone": ("vibraphone", "lead", "Vibraphone"),
    "marimba": ("marimba", "lead", "Marimba"), "xylophone": ("marimba", "lead", "Xylophone"),
    "kalimba": ("marimba", "lead", "Kalimba"), "synth": ("synth lead", "lead", "Synth"),
    "synths": ("synth lead", "lead", "Synth"), "synthesizer": ("synth lead", "lead", "Synth"),
    "bass": ("electric bass", "bass", "Bass"), "double bass": ("upright bass", "bass", "Bass"),
    "upright bass": ("upright bass", "bass", "Bass"), "808": ("808", "bass", "808"),
    "synth bass": ("synth bass", "bass", "Synth bass"),
}  # fmt: skip

DRUM_WORDS = ("drums", "drum", "beat", "beats", "percussion", "drumless", "breakbeats")
BEATLESS_PHRASES = ("drumless", "beatless", "percussionless", "solo piano", "a cappella")
VOICE_WORDS = {"vocals", "vocal", "voice", "voices", "singing", "singer", "lyrics"}

TEXTURE_WORDS: dict[str, str] = {
    "rain": "rain", "rainy": "rain", "storm": "rain", "thunder": "rain",
    "vinyl": "vinyl", "crackle": "vinyl", "dusty": "vinyl", "record": "vinyl",
    "ocean": "waves", "waves": "waves", "sea": "waves", "beach": "waves", "wind": "wind",
    "windy": "wind", "tape": "tape", "hiss": "tape", "cassette": "tape",
}  # fmt: skip

# word -> how far through (or past) the style's tempo range; the label is a category
TEMPO_WORDS: dict[str, tuple[float, str]] = {
    "very slow": (-0.5, "Slow"), "slow": (-0.15, "Slow"), "slowly": (-0.15, "Slow"),
    "slow tempo": (-0.15, "Slow"), "downtempo": (0.0, "Slow"), "laid back": (0.0, "Slow"),
    "adagio": (-0.2, "Slow"), "largo": (-0.4, "Slow"), "mid tempo": (0.5, "Mid-tempo"),
    "medium": (0.5, "Mid-tempo"), "moderate": (0.5, "Mid-tempo"), "andante": (0.3, "Mid-tempo"),
    "fast": (1.1, "Fast"), "quick": (1.0, "Fast"), "rapid": (1.2, "Fast"),
    "uptempo": (1.0, "Fast"), "up tempo": (1.0, "Fast"), "allegro": (1.0, "Fast"),
    "presto": (1.4, "Fast"), "very fast": (1.4, "Fast"), "speedy": (1.2, "Fast"),
}  # fmt: skip

MODE_WORDS: dict[str, str] = {"minor": "minor", "major": "major", "dorian": "dorian",
                              "lydian": "lydian", "phrygian": "phrygian",
                              "mixolydian": "mixolydian"}  # fmt: skip
KEY_WORDS: dict[str, int] = {"c": 0, "c sharp": 1, "d flat": 1, "d": 2, "e flat": 3, "e": 4,
                             "f": 5, "f sharp": 6, "g flat": 6, "g": 7, "a flat": 8, "a": 9,
                             "b flat": 10, "b": 11}  # fmt: skip
