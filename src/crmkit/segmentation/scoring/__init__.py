"""Scores: who is likely to become what, with the reasons.

`PointScorecard` is written by people: points for every rule that holds. `Scorecard` is learned from history by weights of evidence, and
says the probability that its points mean. `IdealCustomer` is what the best customers have in common. All three score a table in
the kind that it is, explain one record by contributions that add up exactly, and are saved as JSON. `quality` says whether to
believe a score, and `drift` whether those who are scored are still like those that it learned from.
"""

from crmkit.segmentation.scoring.bins import Bin
from crmkit.segmentation.scoring.drift import Drift, Shift, stability_index
from crmkit.segmentation.scoring.evidence import FieldScore
from crmkit.segmentation.scoring.explained import Contribution, Score
from crmkit.segmentation.scoring.ideal import FieldTraits, IdealCustomer, Trait
from crmkit.segmentation.scoring.leakage import known_afterwards
from crmkit.segmentation.scoring.points import Points, PointScorecard
from crmkit.segmentation.scoring.quality import Quality, ScoreGroup
from crmkit.segmentation.scoring.scorecard import Scorecard

__all__ = [
    "Bin",
    "Contribution",
    "Drift",
    "FieldScore",
    "FieldTraits",
    "IdealCustomer",
    "PointScorecard",
    "Points",
    "Quality",
    "Score",
    "ScoreGroup",
    "Scorecard",
    "Shift",
    "Trait",
    "known_afterwards",
    "stability_index",
]
