"""What creators write: characters, greetings, fallback replies, scenes, lorebooks, and the cards they came from."""
