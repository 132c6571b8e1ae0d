"""What an author declares of a character: for whom it is, what it warns of, and what others may do with it."""

from enum import StrEnum


class ContentRating(StrEnum):
    """For whom the character is."""

    UNRATED = "unrated"
    GENERAL = "general"
    TEEN = "teen"
    MATURE = "mature"
    EXPLICIT = "explicit"


class ContentWarning(StrEnum):
    """What people are warned of most often; an author may add warnings in their own words."""

    VIOLENCE = "violence"
    GORE = "gore"
    DEATH = "death"
    HORROR = "horror"
    SEXUAL_CONTENT = "sexual_content"
    STRONG_LANGUAGE = "strong_language"
    SUBSTANCES = "substances"
    SELF_HARM = "self_harm"
    ABUSE = "abuse"
    DISCRIMINATION = "discrimination"
    MANIPULATION = "manipulation"
    POLITICS = "politics"


class License(StrEnum):
    """What others may do with the character."""

    UNSTATED = "unstated"
    ALL_RIGHTS_RESERVED = "all_rights_reserved"
    PLATFORM_ONLY = "platform_only"
    CC_BY = "cc_by"
    CC_BY_SA = "cc_by_sa"
    CC_BY_NC = "cc_by_nc"
    CC_BY_NC_SA = "cc_by_nc_sa"
    CC_BY_ND = "cc_by_nd"
    CC_BY_NC_ND = "cc_by_nc_nd"
    CC0 = "cc0"
