"""The groups: from numbers about everybody to decisions about somebody.

`rfm` scores how recently, how often and for how much customers bought, `cohorts` follows those who began together, and `lifecycle`
says in which stage of life each is; `purchase_gap` is the rhythm in which customers come back.

`in_segment` and `members` say who is in a saved segment, `segment_sizes` and `segment_overlap` how many there are, and `profile`
what sets them apart; `holdout` keeps some of them out of an experiment.

`next_products` says what each customer is likely to buy next and when, from the `affinities` of products. `match` brings offers
and preferences together. `PointScorecard` and `Scorecard` say who is likely to become what, and `IdealCustomer` who is like the
best; their results are in `scoring`. `at_risk` says who is about to leave, why, and what is at stake. `lifetime` says who will come back,
how often, and what they will be worth. All of it is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from crmkit.segmentation import lifetime, scoring
    from crmkit.segmentation.cohort_cells import Events, cohorts
    from crmkit.segmentation.holdout_groups import holdout
    from crmkit.segmentation.life_stages import lifecycle, lifecycle_transitions, purchase_gap
    from crmkit.segmentation.membership import entered, left, segment_overlap, segment_sizes
    from crmkit.segmentation.offers import Match, MatchPart, match
    from crmkit.segmentation.product_pairs import affinities
    from crmkit.segmentation.profiles import profile
    from crmkit.segmentation.rfm_scores import RFM_SEGMENTS, RfmSegment, rfm
    from crmkit.segmentation.risk import RISKS, at_risk
    from crmkit.segmentation.risk_reasons import Risk
    from crmkit.segmentation.scoring.ideal import IdealCustomer
    from crmkit.segmentation.scoring.points import Points, PointScorecard
    from crmkit.segmentation.scoring.scorecard import Scorecard
    from crmkit.segmentation.segments import in_segment, members, with_segments
    from crmkit.segmentation.suggestions import next_products

__all__ = [
    "RFM_SEGMENTS",
    "RISKS",
    "Events",
    "IdealCustomer",
    "Match",
    "MatchPart",
    "PointScorecard",
    "Points",
    "RfmSegment",
    "Risk",
    "Scorecard",
    "affinities",
    "at_risk",
    "cohorts",
    "entered",
    "holdout",
    "in_segment",
    "left",
    "lifecycle",
    "lifecycle_transitions",
    "lifetime",
    "match",
    "members",
    "next_products",
    "profile",
    "purchase_gap",
    "rfm",
    "scoring",
    "segment_overlap",
    "segment_sizes",
    "with_segments",
]

# A module is never named as a function that it has: once loaded, the package would have the module under that name.
_MODULES = {
    "RFM_SEGMENTS": "rfm_scores",
    "RISKS": "risk",
    "Events": "cohort_cells",
    "Match": "offers",
    "MatchPart": "offers",
    "IdealCustomer": "scoring.ideal",
    "PointScorecard": "scoring.points",
    "Points": "scoring.points",
    "RfmSegment": "rfm_scores",
    "Risk": "risk_reasons",
    "Scorecard": "scoring.scorecard",
    "affinities": "product_pairs",
    "at_risk": "risk",
    "cohorts": "cohort_cells",
    "entered": "membership",
    "holdout": "holdout_groups",
    "in_segment": "segments",
    "left": "membership",
    "lifecycle": "life_stages",
    "lifecycle_transitions": "life_stages",
    "match": "offers",
    "members": "segments",
    "next_products": "suggestions",
    "profile": "profiles",
    "purchase_gap": "life_stages",
    "rfm": "rfm_scores",
    "segment_overlap": "membership",
    "segment_sizes": "membership",
    "with_segments": "segments",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'crmkit.segmentation' has no attribute {name!r}; it has {', '.join(__all__)}")
    if name not in _MODULES:
        return import_module(f"crmkit.segmentation.{name}")
    return getattr(import_module(f"crmkit.segmentation.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
