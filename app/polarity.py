"""How positive or negative a text in English is, by VADER (Hutto and Gilbert 2014).

VADER looks up each word in a lexicon of about 7,500 English words, emoticons and emoji that people have rated, and
reckons with negations, intensifiers, capitals and exclamation marks. It was made for short texts, such as reviews: it
knows nothing of irony, and a long text tends towards one of the ends. Of a text in another language it knows no word,
or a few by chance: the number of known words says which.
"""

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

LONGEST_REVIEW: Final = 10_000
"""Characters."""
MOST_WORDS: Final = 1000
"""Emoji count as the words that describe them. VADER's time grows with the square: for so many, a fifth of a second."""
_WORD: Final = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class Polarity:
    """What a text says: from -1, negative, to 1, positive; 0 where it has no word that is known."""

    polarity: float
    language: str | None
    """`en` where words are known, else None: nothing is known of other languages."""
    known_words: int


def check_length(review: str) -> str:
    """The review as it is; raises ValueError, with a sentence, when it is empty or has too many characters."""
    if not review.strip():
        raise ValueError("The review is empty.")
    if len(review) > LONGEST_REVIEW:
        raise ValueError(f"The review has {len(review):,} characters; {LONGEST_REVIEW:,} are the most.")
    return review


def check(review: str) -> str:
    """The same, and for too many words; this takes time, with the lexicon to be loaded first."""
    check_length(review)
    emoji = _analyser().emojis
    words = len(review.split()) + sum(len(emoji[character].split()) for character in review if character in emoji)
    if words > MOST_WORDS:
        raise ValueError(f"The review has {words:,} words, with those of its emoji; {MOST_WORDS:,} are the most.")
    return review


def polarity_of(review: str) -> Polarity:
    """The polarity of a review; raises ValueError, with a sentence, when it is empty or too long."""
    check(review)
    analyser = _analyser()
    known = _known_words(analyser, review)
    score = float(analyser.polarity_scores(review)["compound"]) if known else 0.0
    return Polarity(score, "en" if known else None, known)


def _known_words(analyser: Any, review: str) -> int:
    words = [word.lower() for word in _WORD.findall(review)]
    tokens = [token for token in review.split() if not _WORD.search(token)]
    emoji = sum(character in analyser.emojis for character in review)
    return sum(word in analyser.lexicon for word in words + tokens) + emoji


@cache
def _analyser() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()
