"""Sample photos of a procedural ruin from known cameras: accuracy is measured, and no one's pictures are shipped."""
