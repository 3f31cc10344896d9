"""Names of the seven classes in other languages, without accents."""

__all__ = ["SPOKEN", "TRANSLATIONS"]

SPOKEN = (
    "names are read in English, German, French, Spanish, Italian, Portuguese and Dutch, of other "
    "languages they have to be changed"
)

_WORDS = {
    "Angry": "arger wut wutend zorn colere enfado enojo ira rabbia raiva boos",
    "Disgust": "ekel angeekelt degout asco disgusto nojo walging",
    "Fear": "angst angstlich furcht peur miedo paura medo",
    "Happy": "freude frohlich glucklich joie heureux alegria feliz felicidad gioia felicita felice "
    "felicidade blij",
    "Sad": "traurig trauer triste tristesse tristeza tristezza verdrietig",
    "Surprise": "uberrascht uberraschung surpris sorpresa surpresa verrast",
    "Neutral": "neutre neutro neutrale neutraal",
}
TRANSLATIONS = {word: name for name, words in _WORDS.items() for word in words.split()}
"""German, French, Spanish, Italian, Portuguese, Dutch -> class."""
