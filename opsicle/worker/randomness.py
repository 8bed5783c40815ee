"""Telling words from what nobody would guess: tokens, keys, hashes."""

from __future__ import annotations

import re
from itertools import pairwise

_PAIRS = (
    "57875574726989272989665564",
    "75557422742743640664621151",
    "84658538707743941768632150",
    "75569543833644742665643241",
    "86897764624879576998566753",
    "64556731810634730655611240",
    "62438346611546630764622031",
    "73338212703443730546512151",
    "76877772434879873788471517",
    "41225100302111410040401000",
    "52237333622423420363323030",
    "84469432924844851476642271",
    "86348331703564772364621140",
    "84888694735546752589663242",
    "56774563635889770977767532",
    "83448436713733761867623160",
    "10110101000311113331711000",
    "95769564916676852787654160",
    "73759447825654775489734261",
    "84659538912655851877644274",
    "67656552602778470777221311",
    "72328121600322530242101010",
    "62336215601325520553111100",
    "42535313500332361236221430",
    "43434231400455461355232122",
    "50116102400111310121101012",
)
"""How often one letter follows another: row and column are the letters a to z. The logarithm to the
base of 2 of the frequency, related to that of letters at random, plus 6, within 0 to 9; counted
over 29,700 words of the documentation and source of free software, each word once. By that
measure the letters of a word have 7 on the average, letters at random 4."""

_SHORTEST = 8
_WORD_SCORE, _SCORE_PER_LETTER, _HIGHEST_SCORE = 6.0, 0.1, 7.0
"""Letters with less than this on the average are no word: of 8 letters it misses 7 in 100 that are
at random, of 20 less than 1 in 1,000, and takes 1 word in 75 for none. The longer, the surer, so
the more is asked for."""

_RUN = re.compile(r"[A-Za-z0-9]+")
_DIGITS_BEHIND = re.compile(r"(?<=[A-Za-z])[0-9]{1,4}$")
_CAMEL_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_LONGEST_NUMBER = 5


def looks_random(text: str) -> bool:
    """Return whether part of the text is neither word, short number nor version."""
    return any(_is_random(run) for run in _RUN.findall(text))


def _is_random(run: str) -> bool:
    if run.isdigit():
        return len(run) > _LONGEST_NUMBER
    word = _DIGITS_BEHIND.sub("", run)
    if any(character.isdigit() for character in word):
        return len(run) >= _SHORTEST
    if len(word) < _SHORTEST:
        return False
    camel_words = _CAMEL_WORDS.findall(word)  # `clientCertificateData` has few and long ones
    return len(camel_words) > max(1, len(word) // 3) or _score(word.lower()) < _asked(len(word))


def _score(word: str) -> float:
    first = ord("a")
    scores = (
        int(_PAIRS[ord(one) - first][ord(next_one) - first]) for one, next_one in pairwise(word)
    )
    return sum(scores) / (len(word) - 1)


def _asked(length: int) -> float:
    return min(_WORD_SCORE + _SCORE_PER_LETTER * (length - _SHORTEST), _HIGHEST_SCORE)
