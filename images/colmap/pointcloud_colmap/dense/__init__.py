"""Dense depth maps on a CPU: multi-view PatchMatch stereo, where COLMAP's own needs CUDA.

It reads a COLMAP dense workspace and writes depth and normal maps into it as COLMAP would, so that COLMAP's fusion
makes the cloud. What the method stands on: PatchMatch stereo (Bleyer, Rhemann and Rother, BMVC 2011), red-black
propagation (Galliani, Lasinger and Schindler, ICCV 2015), and geometric consistency (Schönberger et al., ECCV 2016).
"""
