"""Chats with characters: prompts, answers and their fallbacks, saved test prompts, and help with writing."""
