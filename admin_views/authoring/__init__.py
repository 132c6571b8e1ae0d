"""Characters, stories, versions, cards in and out, search and the trash, on the screen."""
