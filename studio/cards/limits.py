"""How much a card may hold; each limit is checked before the memory for it is spent."""

MB = 1_000_000

# A whole file as it arrives: a CHARX with all its assets is the largest.
FILE_BYTES = 200 * MB

# The JSON of a card; the largest of 709 real cards has 2.0 MB.
JSON_BYTES = 8 * MB
JSON_DEPTH = 64
# YAML is several times slower to read than JSON; a card in it is a page or two.
YAML_BYTES = MB
# Values and containers: `[[],[],…]` would cost twenty times its own size in memory.
JSON_VALUES = 250_000
# A number with more digits is kept as text: no double and hardly a program can hold it.
NUMBER_DIGITS = 300

# Base64 spends four bytes on three, and some tools break its lines.
TEXT_CHUNK_BYTES = JSON_BYTES // 3 * 4 + 200_000
PNG_CHUNKS = 100_000
# A JPEG with a large profile has some 300 segments before its scan, an animation in WebP two chunks a frame.
JPEG_SEGMENTS = 2_000
WEBP_CHUNKS = 4_000
# Each scan of a progressive JPEG goes over the whole picture once more, however few bytes it has; ten are usual.
JPEG_SCANS = 100
# What lies between segments and is none, which decoders pass over byte by byte.
PADDING_BYTES = 65_536
# Frames and extensions; then the pieces in which pixels stand (255 bytes each, if the encoder is one), and all other content.
GIF_BLOCKS = 20_000
GIF_PIECES = 200_000
GIF_WORDS = 4_000

ASSET_BYTES = 20 * MB
ASSET_TOTAL_BYTES = 200 * MB
ASSET_COUNT = 500
# Deflate reaches 1,000 : 1 on zeros; honest pictures, sounds and texts stay far below.
INFLATE_RATIO = 100
# Small repetitive texts may compress better than the ratio without being a threat.
INFLATE_RATIO_FROM_BYTES = MB
# The central directory is parsed into objects; 500 honest names fit many times.
ZIP_DIRECTORY_BYTES = 512_000

PICTURE_BYTES = 20 * MB
PICTURE_PIXELS = 40_000_000

ENTRIES = 2_000
GREETINGS = 100
# The studio itself works with a hundred (`authoring.rules.MOST_TAGS`); a card may carry more, which it keeps.
TAGS = 2_000

# An archive of many cards, and the files of one bulk import.
PACK_FILES = 2_000
PACK_BYTES = 1_000 * MB
PACK_MEMBER_BYTES = 50 * MB
PACK_DIRECTORY_BYTES = 2 * MB
