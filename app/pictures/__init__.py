"""Pictures that people send: kept under names of our own, and made into thumbnails without what a camera noted."""
