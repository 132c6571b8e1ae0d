"""Lorebook decorators (`@@depth 4`) at the start of an entry's content."""


def split(content: str) -> tuple[str, str]:
    """The decorator lines with the newlines around them, and the text behind; joined they give `content` again."""
    position = end_of_head = 0
    for line in content.splitlines(keepends=True):
        stripped = line.strip()
        is_decorator = stripped.startswith("@@") and len(stripped) > len("@@")
        if stripped and not is_decorator:
            break
        position += len(line)
        if is_decorator:
            end_of_head = position
    # Blank lines belong to the head only where a decorator stands before them.
    cut = position if end_of_head else 0
    return content[:cut], content[cut:]
