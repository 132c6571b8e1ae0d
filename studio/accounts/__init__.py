"""People: who they are, how they sign in, what their roles allow, and the record of what they changed."""
