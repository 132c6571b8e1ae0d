"""Files: pictures and cards that people bring, their variants, and who may see them."""
