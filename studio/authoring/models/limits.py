"""The longest of each text that forms, imports and PostgreSQL accept, in characters; real cards stay below (see docs)."""

NAME_LENGTH = 200
TITLE_LENGTH = 200
SHORT_LENGTH = 500
TEXT_LENGTH = 200_000
REPLY_LENGTH = 10_000
