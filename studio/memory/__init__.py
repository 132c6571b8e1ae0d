"""What the studio remembers by meaning: embeddings of characters, and search by words, by meaning or both."""
