"""The reconstruct stage: photos in, COLMAP's sparse reconstruction of them out, levelled and ready to be shown."""
