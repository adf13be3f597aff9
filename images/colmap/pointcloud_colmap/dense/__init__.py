"""Dense depth maps on a CPU by multi-view PatchMatch stereo, where COLMAP's own needs CUDA, and the fusion of either.

It reads a COLMAP dense workspace, writes depth and normal maps into it as COLMAP would, and makes a cloud of such maps,
whoever has made them. What the method stands on: PatchMatch stereo (Bleyer, Rhemann and Rother, BMVC 2011), red-black
propagation (Galliani, Lasinger and Schindler, ICCV 2015), and geometric consistency (Schönberger et al., ECCV 2016).
"""
