"""Says where long words in tables may break, so that no column cuts one anywhere.

On a phone a column is narrower than many names. A name may break after a dot or an
underscore and before a capital; a long heading may be hyphenated.
"""

import re

TABLE = re.compile(r"<table(?! class).*?</table>", re.DOTALL)
# What stands between two tags.
TEXT = re.compile(r"(?<=>)[^<]+(?=<)")
# Names, and not numbers: 0.25 has no letter on either side of its dot.
BREAKS = re.compile(r"(?<=[A-Za-z]{2}[._])(?=[A-Za-z])|(?<=[a-z])(?=[A-Z][a-z])")
HYPHENATED = {
    "Constant": "Con-stant",
    "Curriculum": "Curricu-lum",
    "Piecewise": "Piece-wise",
    "coverage": "cover-age",
    "independent": "inde-pen-dent",
    "likelihood": "likeli-hood",
    "miscalibration": "mis-cali-bra-tion",
    "multiplication": "multi-plica-tion",
    "multiplications": "multi-plica-tions",
    "negative": "nega-tive",
    "prediction": "predic-tion",
    "published": "pub-lished",
    "schedule": "sched-ule",
    "shuffled": "shuf-fled",
    "stretched": "stret-ched",
    "training": "train-ing",
}
WORDS = re.compile(rf"\b({'|'.join(HYPHENATED)})\b")


def on_page_content(content, page, config, files):
    """Puts a place to break into the long words of each table."""
    return TABLE.sub(lambda match: TEXT.sub(breakable, match[0]), content)


def breakable(match):
    """A text with its places to break."""
    text = WORDS.sub(lambda word: HYPHENATED[word[0]].replace("-", "&shy;"), match[0])
    return BREAKS.sub("<wbr>", text)
