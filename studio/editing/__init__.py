"""What every editor needs: text that saves itself, the common start of two people's saves, and merging them."""
