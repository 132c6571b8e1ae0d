"""Money: buying, earning, and what staff see of it."""
