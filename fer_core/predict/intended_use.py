"""What the networks are for and what the law says of them, in the words that model card, commands
and page share.
"""

__all__ = ["EU_LAW", "EU_LAW_IN_SHORT", "INTENDED_USE", "NOT_FOR"]

INTENDED_USE = (
    "Research and demonstrations that need the expression a face shows, where people know and "
    "agree that they are looked at, and where a wrong answer harms nobody."
)
NOT_FOR = (
    "Not for telling what a person feels, thinks or intends: a face is no reliable sign of it. Not "
    "for decisions about people (work, school, credit, insurance, health, policing, borders), nor "
    "for surveillance."
)
EU_LAW = (
    "The AI Act prohibits systems that infer emotions of people at the workplace and in education "
    "institutions, except for medical or safety reasons: Art. 5(1)(f) of Regulation (EU) "
    "2024/1689. Whoever deploys emotion recognition elsewhere must tell the people exposed to it, "
    "and must handle their data as data-protection law asks: Art. 50(3)."
)
EU_LAW_IN_SHORT = (
    "In the EU, inferring emotions at work or in education is prohibited (AI Act, Art. 5(1)(f)); "
    "elsewhere, people exposed to it must be told (Art. 50(3))."
)
