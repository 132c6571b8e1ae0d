"""The studio's words in other languages, and how its sentences are found for translating."""
